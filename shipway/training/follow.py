"""Follows the ledger: whenever an entry is new, one short-lived process brings the registry's aliases up to date.

MLflow takes seconds and hundreds of megabytes, so it is not kept: between entries this process only lists a folder.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from shipway.contract.layout import LocalLayout
from shipway.contract.ledger import entry_numbers

__all__ = ["Follower", "bring_aliases", "follow"]

POLL_SECONDS = 1.0
FIRST_RETRY_SECONDS = 2.0
LAST_RETRY_SECONDS = 300.0
# MLflow imports within seconds; a busy machine takes longer, a lock that nobody frees must not hold this up for ever.
TIMEOUT_SECONDS = 180.0


class Follower:
    """Decides when the aliases are brought up to date: after each new entry, and again after a failure, less and less.

    Args:
        head: returns the number of the ledger's newest entry.
        bring: brings the aliases up to date and returns why it could not, empty when it could.
        say: called with one line when it fails, and not again for the same reason.
    """

    def __init__(self, head: Callable[[], int], bring: Callable[[], str], say: Callable[[str], None]) -> None:
        self._head, self._bring, self._say = head, bring, say
        # What lies there at the start may have been written while nobody followed.
        self._done = 0
        self._said = ""
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._not_before_seconds = 0.0

    def round(self, now_seconds: float) -> bool:
        """Returns whether the aliases were brought up to date now.

        Args:
            now_seconds: of a clock that only goes forward.
        """
        # Read before the aliases are: an entry that comes meanwhile is new in the next round.
        head = self._head()
        if head <= self._done or now_seconds < self._not_before_seconds:
            return False
        problem = self._bring()
        if problem:
            if problem != self._said:
                self._say(f"the aliases do not follow the ledger, trying again: {problem}")
            self._said = problem
            self._not_before_seconds = now_seconds + self._retry_seconds
            self._retry_seconds = min(2 * self._retry_seconds, LAST_RETRY_SECONDS)
            return False
        if self._said:
            self._say("the aliases follow the ledger again")
        self._done, self._said = head, ""
        self._retry_seconds, self._not_before_seconds = FIRST_RETRY_SECONDS, 0.0
        return True


def bring_aliases(layout: LocalLayout, say: Callable[[str], None]) -> str:
    """Brings the aliases up to date in a process of its own; returns why it could not, empty when it could.

    Args:
        layout: the stack.
        say: called with each line that it reports.
    """
    command = [sys.executable, "-m", "shipway.training", "aliases"]
    command += ["--root", str(layout.root), "--env", layout.environment]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"not done within {TIMEOUT_SECONDS:.0f} s"
    except OSError as error:
        return f"cannot start {sys.executable} ({error.strerror})"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1].removeprefix("error: ")
    for line in done.stdout.splitlines():
        say(line)
    return ""


def follow(root: Path, environment: str) -> None:
    """Follows the ledger of a local stack until SIGTERM or SIGINT."""
    layout, stopping = LocalLayout(root, environment), list[int]()
    follower = Follower(lambda: max(entry_numbers(layout.ledger), default=0), lambda: bring_aliases(layout, _say), _say)

    def stop(signum: int, _: FrameType | None) -> None:
        # Wherever it meets the loop, nothing is half-done: SQLite undoes what a killed process began.
        if not stopping:
            stopping.append(signum)
            raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while not stopping:
        follower.round(time.monotonic())
        time.sleep(POLL_SECONDS)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
