"""The delivery process with a wall clock that jumps: an hour ahead on SIGUSR1, an hour back on SIGUSR2.

Everything in it that asks for the time of day asks this clock; the monotonic one is the machine's own.
"""

import signal
import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo
from types import FrameType

from shipway.delivery import controller
from shipway.delivery.__main__ import main as deliver

HOUR_SECONDS = 3600.0

_shift_seconds = 0.0
_true_time = time.time


class JumpingDatetime(datetime):
    """A datetime whose `now` follows the jumps."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "JumpingDatetime":
        """Returns the shifted time."""
        moment = datetime.now(tz or UTC) + timedelta(seconds=_shift_seconds)
        return cls(*moment.timetuple()[:6], moment.microsecond, moment.tzinfo)


def jump(signum: int, _: FrameType | None) -> None:
    """Moves the clock by an hour."""
    global _shift_seconds
    _shift_seconds += HOUR_SECONDS if signum == signal.SIGUSR1 else -HOUR_SECONDS


def main(arguments: list[str]) -> int:
    """Runs the delivery process under the clock; returns its exit code."""
    signal.signal(signal.SIGUSR1, jump)
    signal.signal(signal.SIGUSR2, jump)
    time.time = lambda: _true_time() + _shift_seconds
    controller.datetime = JumpingDatetime  # pyright: ignore[reportPrivateImportUsage]
    return deliver(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
