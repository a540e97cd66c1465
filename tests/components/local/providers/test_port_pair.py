"""Pairs of ports: found free, kept, given back, and refused when there are none left."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components.local.providers.base import IN_PLACE
from components.local.providers.port_pair import PortPairProvider
from shipway.contract.errors import ShipwayError

PROVIDER = PortPairProvider()


@pytest.fixture
def free() -> int:
    """Returns the first of eight ports in a row that nobody holds."""
    for first in range(30_000, 60_000, 8):
        sockets: list[socket.socket] = []
        try:
            for port in range(first, first + 8):
                probe = socket.socket()
                sockets.append(probe)
                probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for probe in sockets:
                probe.close()
    raise AssertionError("no eight free ports in a row")


def _props(folder: Path, first: int, model: str = "first", count: int = 8) -> dict[str, Any]:
    return {
        "ledger": str(folder / "ports.json"),
        "model": model,
        "first": float(first),
        "last": float(first + count - 1),
    }


def _pair(outs: dict[str, Any]) -> tuple[int, int]:
    return outs["blue"], outs["green"]


def test_models_get_pairs_of_their_own_at_the_same_time(tmp_path: Path, free: int) -> None:
    """Pulumi creates four resources at once: the lock keeps their pairs apart."""
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda number: PROVIDER.create(_props(tmp_path, free, f"m{number}")), range(4))
    ports = [port for created in made for port in _pair(created.outs)]
    assert sorted(ports) == list(range(free, free + 8))


def test_a_pair_is_kept_for_the_models_life(tmp_path: Path, free: int) -> None:
    """Asked again, even while its slots listen, a model has the ports it had."""
    created = PROVIDER.create(_props(tmp_path, free)).outs
    with _listening(created["blue"]):
        assert _pair(PROVIDER.create(_props(tmp_path, free)).outs) == _pair(created)


def test_a_lost_reservation_is_drift_and_comes_back_as_it_was(tmp_path: Path, free: int) -> None:
    """Other ports would restart the live slot, so state is asked before a new pair is looked for."""
    PROVIDER.create(_props(tmp_path, free, "earlier"))
    created = PROVIDER.create(_props(tmp_path, free, "later")).outs
    (tmp_path / "ports.json").unlink()
    found = PROVIDER.read("", created).outs
    assert found["status"] == "reservation removed"
    assert _pair(PROVIDER.update("", found, _props(tmp_path, free, "later")).outs) == _pair(created)
    assert PROVIDER.read("", created).outs["status"] == IN_PLACE


def test_a_port_that_somebody_holds_is_passed_over(tmp_path: Path, free: int) -> None:
    """The next free pair is taken instead."""
    with _listening(free + 1):
        assert _pair(PROVIDER.create(_props(tmp_path, free)).outs) == (free + 2, free + 3)


def test_a_moved_range_moves_the_pair(tmp_path: Path, free: int) -> None:
    """Another base means other ports."""
    before = PROVIDER.create(_props(tmp_path, free, count=4)).outs
    moved = _props(tmp_path, free + 4, count=4)
    assert PROVIDER.diff("", before, moved).changes
    assert _pair(PROVIDER.update("", before, moved).outs) == (free + 4, free + 5)


def test_a_used_up_range_is_refused_with_what_to_change(tmp_path: Path, free: int) -> None:
    """The range, who holds it and the two keys that widen it are named."""
    PROVIDER.create(_props(tmp_path, free, count=3))
    with pytest.raises(ShipwayError) as refused:
        PROVIDER.create(_props(tmp_path, free, "second", count=3))
    assert str(refused.value) == (
        f"second: no free pair of ports from {free} to {free + 2} (1 models have one), expected one; "
        "widen ports.span or move ports.base in the stack's file"
    )


def test_a_deleted_pair_is_free_again(tmp_path: Path, free: int) -> None:
    """The next model may have it; a second delete is fine."""
    props = _props(tmp_path, free, count=2)
    PROVIDER.create(props)
    PROVIDER.delete("", props)
    PROVIDER.delete("", props)
    assert _pair(PROVIDER.create(_props(tmp_path, free, "second", count=2)).outs) == (free, free + 1)


class _listening:  # noqa: N801 - reads as a statement
    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._socket.close()
