"""Where the logs of one model lie: folders of hours with segments in them, on disk."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import contextlib
import logging
import os
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pyarrow.parquet as pq

from shipway.logs.schemas import HOUR_FORMAT, Kind

__all__ = ["LocalSource", "Source", "State", "Unreachable"]

_LOGGER = logging.getLogger("shipway.logs")

# An event that is this much older than its record was replayed: no client of the present sends so late.
_REPLAYED_SECONDS = 7 * 86_400

# A folder's time moves with the kernel's clock tick: one that changed a moment ago may change again unnoticed.
_SETTLED_NANOSECONDS = 2_000_000_000


class Unreachable(OSError):
    """Where a segment lies does not answer: it may be as good as any, and is asked for again."""


@dataclass(frozen=True)
class State:
    """How an hour looked: the same `mark` means that nothing changed, if it was `settled` then."""

    mark: Hashable
    settled: bool


class Source(Protocol):
    """The logs of one model.

    `skipped` is called with one sentence for each file that cannot be read; `missed` says why the last `refresh` could
    not look, and is empty when it did.
    """

    skipped: Callable[[str], None]
    missed: str

    def refresh(self) -> None:
        """Looks again, where looking is what costs; the other methods answer from it."""
        ...

    def hours(self, kind: Kind) -> list[str]:
        """Returns the names of the hours that there are, in any order."""
        ...

    def state(self, kind: Kind, hour: str) -> State | None:
        """Returns how an hour looks, None when it is gone."""
        ...

    def segments(self, kind: Kind, hour: str) -> Mapping[str, Hashable]:
        """Returns name -> identity of an hour's segments; what a writer has not finished yet is none."""
        ...

    def is_replayed(self, kind: Kind, hour: str, name: str) -> bool:
        """Returns whether a segment's records were written long after their hour: requests brought its time."""
        ...

    def open(self, kind: Kind, hour: str, name: str) -> pq.ParquetFile:
        """Returns one segment, to be closed by who asked.

        Raises:
            FileNotFoundError: when it is gone, which retention may do at any time.
            Unreachable: when that cannot be told now.
            OSError, ArrowException: when it is no segment.
        """
        ...

    def where(self, kind: Kind, hour: str, name: str) -> str:
        """Returns what to call a segment in a sentence."""
        ...


def _warn(sentence: str) -> None:
    _LOGGER.warning("%s", sentence)


def _nanoseconds() -> int:
    return time.time_ns()


@dataclass
class LocalSource:
    """The logs below `folder`, a model's: `predictions/<hour>/` and `labels/<hour>/`.

    Args:
        folder: the model's.
        skipped: called with one sentence for each file that cannot be read; by default it becomes a line of the log.
        now: nanoseconds since the epoch.
    """

    folder: Path
    skipped: Callable[[str], None] = field(default=_warn)
    now: Callable[[], int] = field(default=_nanoseconds)
    missed: str = field(default="", init=False)

    def refresh(self) -> None:
        """Does nothing: a folder is looked at when it is asked for."""

    def hours(self, kind: Kind) -> list[str]:
        try:
            with os.scandir(self.folder / kind) as entries:
                return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
        except FileNotFoundError:
            return []

    def state(self, kind: Kind, hour: str) -> State | None:
        try:
            changed = (self.folder / kind / hour).stat().st_mtime_ns
        except FileNotFoundError:
            return None
        return State(changed, self.now() - changed > _SETTLED_NANOSECONDS)

    def segments(self, kind: Kind, hour: str) -> Mapping[str, Hashable]:
        found: dict[str, Hashable] = {}
        # Retention removes old hours, and a writer's rename may come between the list and the look.
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder / kind / hour) as entries:
            for entry in entries:
                if entry.name.endswith(".parquet") and not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        stat = entry.stat()
                        found[entry.name] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        return found

    def is_replayed(self, kind: Kind, hour: str, name: str) -> bool:
        # A segment of the present is written within its hour. Foreign folders have no hour, and nothing to say.
        with contextlib.suppress(FileNotFoundError, ValueError):
            begins = datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=UTC).timestamp()
            return (self.folder / kind / hour / name).stat().st_mtime - begins > _REPLAYED_SECONDS
        return False

    def open(self, kind: Kind, hour: str, name: str) -> pq.ParquetFile:
        return pq.ParquetFile(self.folder / kind / hour / name)

    def where(self, kind: Kind, hour: str, name: str) -> str:
        return str(self.folder / kind / hour / name)
