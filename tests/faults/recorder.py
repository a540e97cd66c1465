"""What the served route file said, one observation each time it changed."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.errors import SpecError
from shipway.contract.route import RolloutState, read_rollout_states

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Observed:
    """The state of the model at a moment of the monotonic clock."""

    at: float
    state: RolloutState


class Recorder:
    """Watches the route file from a thread of its own.

    Args:
        path: the file.
        model: whose state is recorded.
    """

    def __init__(self, path: Path, model: str) -> None:
        self._path, self._model = path, model
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="recorder", daemon=True)
        self.observed: list[Observed] = []
        self.torn = 0

    @property
    def generation(self) -> int:
        """The number of the last observation; -1 before the first."""
        return self.observed[-1].state.generation if self.observed else -1

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends, after one more look."""
        self._stopping.set()
        self._thread.join(10)

    def since(self, at: float) -> list[Observed]:
        """Returns what was served at `at` and from then on."""
        before = [one for one in self.observed if one.at <= at]
        return [*before[-1:], *(one for one in self.observed if one.at > at)]

    def _watch(self) -> None:
        seen: tuple[int, int] | None = None
        while True:
            last = self._stopping.is_set()
            try:
                found = self._path.stat()
                if (found.st_ino, found.st_mtime_ns) != seen:
                    seen = (found.st_ino, found.st_mtime_ns)
                    self._record()
            except FileNotFoundError:
                seen = None
            if last:
                return
            self._stopping.wait(POLL_SECONDS)

    def _record(self) -> None:
        at = time.monotonic()
        try:
            state = read_rollout_states(self._path).get(self._model)
        except SpecError:
            # Some faults tear the file on purpose; delivery itself never writes half of one.
            self.torn += 1
            return
        if state is not None and (not self.observed or self.observed[-1].state != state):
            self.observed.append(Observed(at, state))
