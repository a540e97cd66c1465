"""Load on one loopback port: connections that ask again as soon as they are answered."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import psutil
import uvloop

__all__ = ["Load", "Told", "load", "request"]


@dataclass
class Told:
    """What some seconds of load found.

    Args:
        answers: requests answered with 200 within the time that counts.
        seconds: that time.
        cpu_seconds: of processor time that the serving process took in it.
        failures: answers with another status, by status.
    """

    answers: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    failures: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        """Processor time of an answer."""
        return self.cpu_seconds / self.answers * 1e6


@dataclass(frozen=True)
class Load:
    """One load.

    Args:
        port: on 127.0.0.1.
        pid: of the process that serves.
        requests: whole HTTP requests, taken in turn.
        connections: at the same time.
        seconds: that count, after half a second that does not.
    """

    port: int
    pid: int
    requests: Sequence[bytes]
    connections: int = 16
    seconds: float = 1.5


def request(body: bytes, headers: Mapping[str, str] | None = None, path: str = "/predict") -> bytes:
    """Returns a whole POST request."""
    told = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def load(what: Load) -> Told:
    """Returns what the server did under `what`.

    Raises:
        OSError: when nobody listens.
    """
    return uvloop.run(_load(what))


async def _load(what: Load) -> Told:
    loop, told = asyncio.get_running_loop(), Told()
    process = psutil.Process(what.pid)
    transports: list[asyncio.Transport] = []
    for number in range(what.connections):
        asking = partial(_Asking, what.requests, number, told)
        transports.append((await loop.create_connection(asking, "127.0.0.1", what.port))[0])
    await asyncio.sleep(0.5)
    before, started, told.answers = _cpu_seconds(process), time.perf_counter(), 0
    await asyncio.sleep(what.seconds)
    told.seconds, told.cpu_seconds = time.perf_counter() - started, _cpu_seconds(process) - before
    answers = told.answers
    for transport in transports:
        transport.close()
    told.answers = answers
    return told


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


class _Asking(asyncio.Protocol):
    """Asks, reads the whole answer, asks again."""

    def __init__(self, requests: Sequence[bytes], number: int, told: Told) -> None:
        self._requests, self._number, self._told = requests, number, told
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, rest = head.lower().partition(b"content-length: ")
        if len(body) < int(rest.split(b"\r", 1)[0]):
            return
        status = int(head[9:12])
        if status == 200:
            self._told.answers += 1
        else:
            self._told.failures[status] = self._told.failures.get(status, 0) + 1
        self._answer = b""
        self._ask()

    def _ask(self) -> None:
        self._number += 1
        self._transport.write(self._requests[self._number % len(self._requests)])
