"""PortPair: the two ports of one model's slots, found once and kept for the model's life."""

import fcntl
import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props
from shipway.contract.documents import read_json, write_atomic
from shipway.contract.environment import PortsSpec
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout

__all__ = ["PortPair"]


@contextmanager
def _reservations(path: Path) -> Generator[dict[str, list[int]], None, None]:
    """Yields model -> its two ports under a lock and writes what the caller leaves there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_json(path) if path.exists() else {}
        pairs = {model: [int(port) for port in ports] for model, ports in before.items()}
        yield pairs
        if pairs != before:
            write_atomic(path, json.dumps(pairs, sort_keys=True))


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class PortPairProvider(LocalProvider):
    """CRUD of a reservation in the stack's ports.json."""

    identity = ("model", "ledger")

    def key(self, props: Props) -> str:
        return str(props["model"])

    def put(self, props: Props, before: Props) -> Props:
        allowed = range(int(props["first"]), int(props["last"]) + 1)
        with _reservations(Path(props["ledger"])) as pairs:
            # A slot may be listening on the ports it had before: they are kept without asking whether they are free.
            kept = pairs.get(props["model"]) or [int(before[slot]) for slot in ("blue", "green") if slot in before]
            others = {port for model, pair in pairs.items() if model != props["model"] for port in pair}
            if len(kept) != 2 or not set(kept) <= set(allowed) - others:
                kept = self._find(props["model"], allowed, others)
            pairs[props["model"]] = kept
        return {"blue": kept[0], "green": kept[1]}

    @staticmethod
    def _find(model: str, allowed: range, others: set[int]) -> list[int]:
        for blue in allowed[:-1:2]:
            pair = [blue, blue + 1]
            if not others.intersection(pair) and all(_bindable(port) for port in pair):
                return pair
        raise ShipwayError(
            f"{model}: no free pair of ports from {allowed[0]} to {allowed[-1]} ({len(others) // 2} models have one), "
            "expected one; widen ports.span or move ports.base in the stack's file"
        )

    def look(self, props: Props) -> str:
        with _reservations(Path(props["ledger"])) as pairs:
            found = pairs.get(props["model"])
        return IN_PLACE if found == [int(props["blue"]), int(props["green"])] else "reservation removed"

    def drop(self, props: Props) -> None:
        with _reservations(Path(props["ledger"])) as pairs:
            pairs.pop(props["model"], None)


class PortPair(LocalResource, module="shipway", name="PortPair"):
    """Two ports of the stack's range for the slots of `model`; they change only when the range moves."""

    blue: pulumi.Output[int]
    green: pulumi.Output[int]

    def __init__(
        self, name: str, layout: LocalLayout, ports: PortsSpec, model: str, opts: pulumi.ResourceOptions
    ) -> None:
        props = {
            "ledger": str(layout.state / "ports.json"),
            "model": model,
            "first": ports.model_slots[0],
            "last": ports.model_slots[-1],
        }
        super().__init__(PortPairProvider(), name, props, ("blue", "green"), opts)
