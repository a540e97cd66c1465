"""A stand-in for a model that speaks the contract of a slot, in one small process.

It answers /predict, /readyz, /v2/models/<model> and /metrics as a real slot does, with none of its weight. How it
behaves is set when it starts and changed at run time through POST /behaviour.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from shipway.contract import metrics
from shipway.contract.metrics import ROLLOUT_HEADER, UNIT_HEADER, Outcome
from shipway.contract.release import short_digest
from tests.faults.page import BLOCKED, Page

# Longer than the gateway keeps an idle connection.
DRAIN_SECONDS = 15.0
# What `answer` says where a request is for another version; on the wire it is a 503 with a header.
REFUSED = -1


@dataclass(frozen=True)
class Behaviour:
    """What the stand-in does.

    Args:
        error_ratio: of the requests, how many are answered 500.
        invalid_ratio: how many are answered 500 because the prediction is no number.
        fallback_ratio: how many are answered by the fallback.
        missing_ratio: how many get the default of a feature.
        seconds: the median time of an answer.
        factor: makes every answer that many times slower.
        hang: no prediction is ever answered.
        ready: what /readyz says.
        page: what is wrong with the metrics page: empty for nothing, `blocked` for a 503, or a way of `page`.
    """

    error_ratio: float = 0.0
    invalid_ratio: float = 0.0
    fallback_ratio: float = 0.0
    missing_ratio: float = 0.0
    seconds: float = 0.004
    factor: float = 1.0
    hang: bool = False
    ready: bool = True
    page: str = ""


def prediction_of(unit: str) -> float:
    """Returns a number in [0, 1) that is always the same for a unit."""
    return zlib.crc32(unit.encode()) / 2**32


class Service:
    """The slot's state: what it counted, how it behaves, who is connected."""

    def __init__(
        self, model: str, digest: str, slot: str, references: list[str], behaviour: Behaviour, seed: int
    ) -> None:
        self.model, self.slot, self.behaviour = model, slot, behaviour
        self.version = short_digest(digest)
        self.page = Page(model, self.version, slot, references)
        self.random = random.Random(seed)
        self.open: set[asyncio.StreamWriter] = set()
        self.busy = 0
        self.predictions = 0
        self.draining = False

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection until it ends."""
        self.open.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *rest = head.split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest if one)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = line.split(" ", 2)
                self.busy += 1
                try:
                    status, content = await self.answer(method, path, headers, body)
                    writer.write(self.rendered(status, content))
                    await writer.drain()
                finally:
                    self.busy -= 1
                if self.draining:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.open.discard(writer)
            writer.close()

    def rendered(self, status: int, content: str) -> bytes:
        """Returns the answer as it goes over the wire."""
        ending = "connection: close\r\n" if self.draining else ""
        if status == REFUSED:
            status, ending = 503, f"{ending}{metrics.REFUSED_HEADER}: {self.version}\r\n"
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-length: {len(content.encode())}\r\ncontent-type: text/plain\r\n"
            f"x-slot: {self.slot}\r\nx-model-version: {self.version}\r\n{ending}\r\n"
        )
        return (head + content).encode()

    async def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Returns status and body of one request."""
        versions = headers.get(metrics.VERSIONS_HEADER, self.version)
        if method == "POST" and path == "/predict" and self.version not in versions.split(","):
            return REFUSED, ""
        if method == "POST" and path == "/predict":
            return await self.predict(headers, json.loads(body or b"{}"))
        if method == "POST" and path == "/behaviour":
            self.behaviour = replace(self.behaviour, **json.loads(body))
            return 200, json.dumps(asdict(self.behaviour))
        if method == "POST" and path == "/reset":
            self.page.reset()
            return 200, ""
        match path:
            case "/readyz":
                return (200 if self.behaviour.ready and not self.draining else 503), ""
            case "/metrics" | metrics.EVIDENCE_PATH:
                bad = self.behaviour.page
                return (503, "") if bad == BLOCKED else (200, self.page.text(bad))
            case "/stats":
                return 200, json.dumps({"open": len(self.open), "busy": self.busy, "predictions": self.predictions})
            case _:
                return (200 if path == f"/v2/models/{self.model}" else 404), ""

    async def predict(self, headers: Mapping[str, str], asked: dict[str, Any]) -> tuple[int, str]:
        """Returns one prediction, or what the behaviour makes of it, and counts it."""
        begun, how = time.perf_counter(), self.behaviour
        self.predictions += 1
        if how.hang:
            await asyncio.Event().wait()
        chance = self.random.random()
        # Decided before the wait: what one request meets must not depend on how the others interleave.
        fallback, missing = self.random.random() < how.fallback_ratio, self.random.random() < how.missing_ratio
        pause = asked.get("seconds", how.seconds * how.factor * self.random.lognormvariate(0, 0.1))
        await asyncio.sleep(pause)
        outcome = Outcome.OK
        if chance < how.error_ratio:
            outcome = Outcome.ERROR
        elif chance < how.error_ratio + how.invalid_ratio:
            outcome = Outcome.INVALID_OUTPUT
        self.page.request(outcome, time.perf_counter() - begun, fallback=fallback, missing=missing)
        unit, rollout = headers.get(UNIT_HEADER, ""), headers.get(ROLLOUT_HEADER, "")
        prediction = prediction_of(unit)
        if unit and rollout and outcome is Outcome.OK:
            self.page.unit(rollout, unit, prediction)
        if outcome is not Outcome.OK:
            return 500, json.dumps({"error": str(outcome)})
        return 200, json.dumps({"predictions": [prediction], "id": asked.get("id"), "rollout": rollout})


async def serve(service: Service, port: int) -> None:
    """Serves until SIGTERM, then finishes what was begun."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = await asyncio.start_server(service.connected, "127.0.0.1", port, backlog=512)
    await stopping.wait()
    service.draining = True
    server.close()
    deadline = loop.time() + DRAIN_SECONDS
    # The gateway lets go of a connection at the next answer, or after some idle seconds; a slot does not wait for that.
    while service.busy and loop.time() < deadline:
        await asyncio.sleep(0.01)
    for writer in list(service.open):
        writer.close()


def main(arguments: list[str]) -> int:
    """Runs one stand-in; returns 1 where it is told to die at its start."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--model", "--digest", "--slot", "--behaviour"):
        parser.add_argument(name, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--reference", action="append", required=True, help="a short digest")
    parser.add_argument("--crash", action="store_true", help="end before the port is open")
    chosen = parser.parse_args(arguments)
    if chosen.crash:
        print("told to end at its start", file=sys.stderr)
        return 1
    behaviour = Behaviour(**json.loads(chosen.behaviour))
    service = Service(chosen.model, chosen.digest, chosen.slot, chosen.reference, behaviour, chosen.seed)
    asyncio.run(serve(service, chosen.port))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
