"""The process of one slot, as a fault test starts, changes, stops and kills it."""

import http.client
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from tests.shipway.delivery.stack import PROJECT, wait_until

STOP_SECONDS = 20.0


@dataclass
class SlotProcess:
    """A stand-in (`service`) in one slot; it does not run before `start`.

    Args:
        model, slot, digest, port: what it serves and where.
        references: digests on whose bin edges it counts its predictions.
        folder: where its log goes.
        seed: of its errors and latencies.
        behaviour: the fields of `service.Behaviour` that differ from the usual.
        real: the command line of a real slot, which is started in place of the stand-in.
    """

    model: str
    slot: Slot
    digest: str
    port: int
    references: Sequence[str]
    folder: Path
    seed: int
    behaviour: dict[str, Any] = field(default_factory=dict[str, Any])
    real: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Returns the command line of what runs in the slot."""
        if self.real:
            return list(self.real)
        references = [word for one in self.references for word in ("--reference", short_digest(one))]
        return [
            *(sys.executable, "-m", "tests.faults.service", "--model", self.model, "--slot", str(self.slot)),
            *("--digest", self.digest, "--port", str(self.port), "--seed", str(self.seed)),
            *("--behaviour", json.dumps(self.behaviour), *references),
        ]

    def start(self, *, crash: bool = False, wait: bool = True) -> None:
        """Starts the process, and returns once its port is open where it is told to `wait`."""
        arguments = [*self.command(), *(["--crash"] if crash else [])]
        with (self.folder / f"{self.model}-{self.slot}.log").open("ab") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=PROJECT)
        if wait and not crash:
            wait_until(self.answers, f"{self.slot} of {self.model} answers")

    def answers(self) -> bool:
        """Returns whether the port is open."""
        try:
            self.ask("GET", "/stats")
        except OSError:
            return False
        return True

    def behave(self, **changes: object) -> None:
        """Changes the behaviour of the running process."""
        self.ask("POST", "/behaviour", json.dumps(changes).encode())

    def reset(self) -> None:
        """Sets all counters to zero, as a restart does that nobody noticed."""
        self.ask("POST", "/reset")

    def stats(self) -> dict[str, int]:
        """Returns how many connections are open, how many requests under way, and how many predictions were asked."""
        found: dict[str, int] = json.loads(self.ask("GET", "/stats"))
        return found

    def ask(self, method: str, path: str, body: bytes = b"") -> str:
        """Returns the body of the answer to one request to the process itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, body)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def stop(self) -> None:
        """Ends the process as a supervisor does: it finishes what it has begun."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOP_SECONDS)
            self.process = None

    def kill(self) -> None:
        """Ends the process as the kernel does when memory is short."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            self.process = None
