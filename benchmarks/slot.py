"""A stand-in for a model that answers at once and speaks the metrics of the contract: `python -m benchmarks.slot`.

It is no model: what is measured with it is delivery, so it must cost as little as it can. `POST /errors/<ratio>` sets
how many of its next answers fail.
"""

import argparse
import asyncio
import random
from bisect import bisect_left

from shipway.contract import metrics
from shipway.contract.metrics import (
    EVIDENCE_PATH,
    LATENCY_EDGES_SECONDS,
    PREDICTION_BINS,
    ROLLOUT_HEADER,
    UNIT_HEADER,
    Outcome,
)

__all__ = ["Slot", "main"]


class Slot:
    """Counts requests, and answers them."""

    def __init__(self, model: str, slot: str, version: str, references: list[str]) -> None:
        self._labels = f'model="{model}",version="{version}",slot="{slot}"'
        self._slot, self._version, self._references = slot, version, references
        self._chance, self._error_ratio = random.Random(slot), 0.0  # noqa: S311 (no secret)
        self._outcomes = {Outcome.OK: 0, Outcome.ERROR: 0}
        self._bins = [0] * PREDICTION_BINS
        self._units, self._step = 0, ""
        self._seen: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *rest = head.rstrip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
                await reader.readexactly(int(headers.get("content-length", 0)))
                status, body = self._answer(line.split()[1], headers)
                told = f"x-slot: {self._slot}\r\nx-model-version: {self._version}\r\ncontent-type: text/plain"
                writer.write(f"HTTP/1.1 {status} -\r\n{told}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    def _answer(self, path: str, headers: dict[str, str]) -> tuple[int, str]:
        if path in ("/metrics", EVIDENCE_PATH):
            return 200, self._page()
        if path.startswith("/errors/"):
            self._error_ratio = float(path.removeprefix("/errors/"))
            return 200, "{}"
        if path != "/predict":
            return 200, "{}"
        step = headers.get(ROLLOUT_HEADER, "")
        if step:
            self._count(step, headers.get(UNIT_HEADER, ""))
        outcome = Outcome.ERROR if self._chance.random() < self._error_ratio else Outcome.OK
        self._outcomes[outcome] += 1
        return (500 if outcome is Outcome.ERROR else 200), "{}"

    def _count(self, step: str, unit: str) -> None:
        if step != self._step:
            self._step, self._seen = step, set()
        if unit not in self._seen:
            self._seen.add(unit)
            self._units += 1
            self._bins[self._chance.randrange(PREDICTION_BINS)] += 1

    def _page(self) -> str:
        requests = sum(self._outcomes.values())
        fast = bisect_left(LATENCY_EDGES_SECONDS, 0.001)
        lines = [f"{name}{{{self._labels}{more}}} {value}" for name, more, value in self._series(requests, fast)]
        return "\n".join(lines) + "\n"

    def _series(self, requests: int, fast: int) -> list[tuple[str, str, int]]:
        outcomes = [
            (metrics.REQUESTS_TOTAL, f',outcome="{outcome}"', self._outcomes.get(outcome, 0)) for outcome in Outcome
        ]
        buckets = [
            (f"{metrics.REQUEST_SECONDS}_bucket", f',le="{edge!r}"', requests if number >= fast else 0)
            for number, edge in enumerate(LATENCY_EDGES_SECONDS)
        ]
        bins = [
            (metrics.UNIT_PREDICTION_BIN_TOTAL, f',reference="{reference}",bin="{number}"', count)
            for reference in self._references
            for number, count in enumerate(self._bins)
        ]
        return [
            *outcomes,
            *buckets,
            (f"{metrics.REQUEST_SECONDS}_bucket", ',le="+Inf"', requests),
            (f"{metrics.REQUEST_SECONDS}_count", "", requests),
            (metrics.FALLBACKS_TOTAL, ',source="constant"', 0),
            (metrics.FEATURE_MISSING_REQUESTS_TOTAL, "", 0),
            (metrics.UNITS_TOTAL, "", self._units),
            *bins,
        ]


async def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slot", description=__doc__)
    for name in ("model", "slot", "version", "references"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    slot = Slot(chosen.model, chosen.slot, chosen.version, chosen.references.split(","))
    server = await asyncio.start_server(slot.serve, "127.0.0.1", chosen.port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
