"""The sender as seen from outside: a process of its own that is told a stage and says what it saw."""

import json
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, cast

from shipway.contract.errors import ShipwayError
from shipway.loadtest.stages import Planned, Sent

__all__ = ["MOST_IN_FLIGHT", "Address", "Sender", "sender"]

# So many requests may wait for an answer at the same time; one that comes then has failed. It bounds sockets here and
# there, and whoever lets so many wait is beyond its break point.
MOST_IN_FLIGHT = 512

# What a sender may take beyond its stage and the last request's own timeout.
_GRACE_SECONDS = 15.0
_START_SECONDS = 60.0
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Address:
    """Where requests go.

    Args:
        url: scheme, host and port.
        path: of the predictions.
        timeout_seconds: after which a request has failed.
        event_time: when every request says it is asked; empty for now.
    """

    url: str
    path: str
    timeout_seconds: float
    event_time: str = ""


class Sender:
    """Sends stages one after the other; `say` is told every two seconds how far it is."""

    def __init__(
        self, process: "subprocess.Popen[str]", address: Address, said: IO[str], say: Callable[[str], None]
    ) -> None:
        self._process, self._address, self._said, self._say = process, address, said, say
        self._sent = 0

    def send(self, planned: Planned, seed: int) -> Sent:
        """Returns what came of one stage.

        Args:
            planned: its rate and how long.
            seed: of the arrivals.

        Raises:
            ShipwayError: when the sender ended or did not come to an end.
        """
        told = {
            "requests_per_second": planned.requests_per_second,
            "seconds": planned.seconds,
            "seed": seed,
            "first": self._sent,
        }
        self._write(told)
        limit = planned.seconds + self._address.timeout_seconds + _GRACE_SECONDS
        clock = threading.Timer(limit + (0 if self._sent else _START_SECONDS), self._process.kill)
        clock.start()
        try:
            sent = self._read(planned)
        finally:
            clock.cancel()
        self._sent += sent.requests
        return sent

    def start(self, bodies: Sequence[str], units: str) -> None:
        """Tells where and what to send, once.

        Args:
            bodies: JSON texts, sent in turn.
            units: what every unit id begins with, so that a log shows what was made up.
        """
        address = self._address
        self._write(
            {
                "url": address.url,
                "path": address.path,
                "timeout_seconds": address.timeout_seconds,
                "event_time": address.event_time,
                "most_in_flight": MOST_IN_FLIGHT,
                "bodies": list(bodies),
                "units": units,
            }
        )

    def _read(self, planned: Planned) -> Sent:
        for line in cast(IO[str], self._process.stdout):
            document: dict[str, Any] = json.loads(line)
            if (progress := document.get("progress")) is not None:
                self._say(_shown(planned, progress))
                continue
            return Sent(
                latencies_seconds=tuple(document["latencies"]),
                lags_seconds=tuple(document["lags"]),
                failed_by=Counter(document["failed_by"]),
                versions=frozenset(document["versions"]),
                seconds=document["seconds"],
            )
        raise self._ended()

    def _write(self, document: dict[str, Any]) -> None:
        stream = cast(IO[str], self._process.stdin)
        try:
            stream.write(json.dumps(document) + "\n")
            stream.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _ended(self) -> ShipwayError:
        code = self._process.wait()
        self._said.seek(0)
        last = (self._said.read().strip().splitlines() or [""])[-1]
        hint = "; install the extra loadtest" if "No module named 'locust'" in last else ""
        return ShipwayError(f"the sender of requests ended with status {code}: {last or 'it said nothing'}{hint}")


@contextmanager
def sender(address: Address, bodies: Sequence[str], units: str, say: Callable[[str], None]) -> Generator[Sender]:
    """Yields a sender of `bodies` to `address`, and ends its process whatever happens.

    Args:
        address: where to.
        bodies: JSON texts, sent in turn.
        units: what every unit id begins with.
        say: told every two seconds how far it is.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "shipway.loadtest"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        try:
            one = Sender(process, address, said, say)
            one.start(bodies, units)
            yield one
        finally:
            # Closing sends what could not be sent before; that the sender is gone was said then.
            with suppress(BrokenPipeError):
                cast(IO[str], process.stdin).close()
            cast(IO[str], process.stdout).close()
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _shown(planned: Planned, progress: dict[str, Any]) -> str:
    p95 = progress["p95_seconds"]
    said = "nothing answered yet" if p95 is None else f"p95 {p95 * 1000:.0f} ms"
    return (
        f"{planned.requests_per_second:.4g} requests/s: {progress['arrived']:,} of {progress['planned']:,} arrived, "
        f"{progress['failed']:,} failed, {progress['waiting']:,} wait, {said}"
    )
