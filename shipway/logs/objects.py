"""The logs of one model as they lie in an object store."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.contract.model import LOGS_READ_DAYS
from shipway.logs.schemas import HOUR_FORMAT, KINDS, Kind
from shipway.logs.sources import State, Unreachable
from shipway.objects.storage import ObjectStorage

__all__ = ["ObjectSource"]

_SEGMENT = ".parquet"


class ObjectSource:
    """The logs below a model's folder of the store: `predictions/<hour>/...` and `labels/<hour>/...`.

    `refresh` lists the objects once, and the other methods answer from the list; a store that does not answer leaves
    the last one in force, which is told.

    Args:
        storage: the model's folder.
        skipped: called with one sentence for each object that cannot be read, and when the list cannot be had.
        now: seconds since the epoch.
        days: older hours are not listed.
    """

    def __init__(
        self,
        storage: ObjectStorage,
        skipped: Callable[[str], None],
        now: Callable[[], float],
        days: int = LOGS_READ_DAYS,
    ) -> None:
        self.skipped, self.missed = skipped, ""
        self._storage, self._now, self._days = storage, now, days
        self._hours: dict[Kind, dict[str, dict[str, Hashable]]] = {kind: {} for kind in KINDS}

    def refresh(self) -> None:
        oldest = (datetime.fromtimestamp(self._now(), UTC) - timedelta(days=self._days)).strftime(HOUR_FORMAT)
        self.missed = ""
        for kind in KINDS:
            try:
                entries = self._storage.entries(f"{kind}/", after=f"{kind}/{oldest}")
            except OSError as error:
                self.missed = f"{self.where(kind, '', '')}: {error.strerror or error}, expected a list of objects"
                self.skipped(self.missed)
                continue
            hours: dict[str, dict[str, Hashable]] = {}
            for entry in entries:
                _, hour, name = f"{entry.name}//".split("/", 2)
                if name.endswith(f"{_SEGMENT}//"):
                    hours.setdefault(hour, {})[name.removesuffix("//")] = entry.tag
            self._hours[kind] = hours

    def hours(self, kind: Kind) -> list[str]:
        return list(self._hours[kind])

    def state(self, kind: Kind, hour: str) -> State | None:
        segments = self._hours[kind].get(hour)
        # A list is of one moment, and the next one shows every change by its tag.
        return None if segments is None else State(frozenset(segments.items()), settled=True)

    def segments(self, kind: Kind, hour: str) -> Mapping[str, Hashable]:
        return self._hours[kind].get(hour, {})

    def is_replayed(self, kind: Kind, hour: str, name: str) -> bool:
        # Only on a laptop is a request believed that says when its event happened.
        return False

    def open(self, kind: Kind, hour: str, name: str) -> pq.ParquetFile:
        try:
            content = self._storage.read(f"{kind}/{hour}/{name}")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unreachable(0, error.strerror or str(error)) from None
        return pq.ParquetFile(pa.BufferReader(content))

    def where(self, kind: Kind, hour: str, name: str) -> str:
        return self._storage.where("/".join(part for part in (kind, hour, name) if part))
