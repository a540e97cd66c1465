"""New records of the segments in which a model's predictions and labels lie, each file read when it changed."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from shipway.logs.reading import refusal
from shipway.logs.schemas import KINDS, Kind
from shipway.logs.segments import batches, chosen
from shipway.logs.sources import Source, Unreachable

__all__ = ["Piece", "Place", "Tail"]

# A segment: which log, its hour and its name.
Place = tuple[Kind, str, str]
_Hour = tuple[Kind, str]


class Piece(NamedTuple):
    """Some new records of one log.

    Args:
        kind: which log.
        table: the records.
        hour, name: the segment in which they lie.
        records: how many of the segment's records are read once these are: whoever keeps it beside what it made of
            them can go on there in another process.
        replayed: whether the records were written long after their event time, as only a replay of the past does it.
    """

    kind: Kind
    table: pa.Table
    hour: str
    name: str
    records: int
    replayed: bool = False

    @property
    def place(self) -> Place:
        """The segment in which they lie."""
        return self.kind, self.hour, self.name


@dataclass
class _Seen:
    """What was read of one segment: the file as it was then, and how many of its records."""

    identity: Hashable
    records: int = 0


class Tail:
    """Reads what is new in a model's logs.

    The segments of an hour come after those of the hours before, predictions before labels, by name: the whole of a
    log is read in the same order however often. A file that cannot be read is told to the source's `skipped`, and
    tried again when it has changed.

    Args:
        source: the model's logs.
        columns: kind -> what is read of its records; a kind that is not named is not read.
        known: (kind, hour, segment) -> how many of its records an earlier process has read.
    """

    def __init__(
        self,
        source: Source,
        columns: Mapping[Kind, Sequence[str]],
        known: Mapping[Place, int] | None = None,
    ) -> None:
        self._source, self._known = source, known or {}
        self._schemas: dict[Kind, pa.Schema] = {kind: chosen(kind, columns[kind]) for kind in KINDS if kind in columns}
        self._seen: dict[_Hour, dict[str, _Seen]] = {}
        self._settled: dict[_Hour, Hashable] = {}
        self._unreached = ""

    @property
    def missed(self) -> str:
        """Why the last poll could not look at all that there is; empty when it could."""
        return self._source.missed or self._unreached

    def places(self) -> dict[Place, int]:
        """Returns (kind, hour, segment) -> how many of its records are read, of what this one has looked at."""
        return {(*hour, name): one.records for hour, seen in self._seen.items() for name, one in seen.items()}

    def poll(self) -> Iterator[Piece]:
        """Yields the records that were written since the last call, in pieces; whoever starts must read to the end."""
        self._unreached = ""
        self._source.refresh()
        changed = self._changed()
        for hour in changed:
            seen, here = self._seen.setdefault(hour, {}), self._source.segments(*hour)
            for name in sorted(seen.keys() - here.keys()):
                del seen[name]
            for name, identity in sorted(here.items()):
                if name not in seen or seen[name].identity != identity:
                    yield from self._read(hour, name, seen, identity)
        if changed:
            # What Arrow keeps for the next read is a tenth of a small process.
            pa.default_memory_pool().release_unused()

    def _changed(self) -> list[_Hour]:
        """Returns the hours in which something may be new, in the order in which they are read."""
        found: list[_Hour] = [(kind, hour) for kind in self._schemas for hour in self._source.hours(kind)]
        # Stable: of one hour, predictions stay before labels.
        found.sort(key=lambda one: one[1])
        for gone in self._seen.keys() - set(found):
            del self._seen[gone]
            self._settled.pop(gone, None)
        return [hour for hour in found if self._moved(hour)]

    def _moved(self, hour: _Hour) -> bool:
        state = self._source.state(*hour)
        if state is None or self._settled.get(hour) == state.mark:
            return False
        if state.settled:
            self._settled[hour] = state.mark
        return True

    def _read(self, hour: _Hour, name: str, seen: dict[str, _Seen], identity: Hashable) -> Iterator[Piece]:
        kind, stamp = hour
        known = _Seen(identity, seen[name].records if name in seen else self._known.get((*hour, name), 0))
        try:
            with self._source.open(*hour, name) as file:
                if file.metadata.num_rows < known.records:
                    # Not the segment it was; what was read of it before is known to who counts by id.
                    known.records = 0
                read, replayed = known.records, self._source.is_replayed(*hour, name)
                for table in batches(file, self._schemas[kind], known.records):
                    read += table.num_rows
                    yield Piece(kind, table, stamp, name, read, replayed)
                known.records = file.metadata.num_rows
        except FileNotFoundError:
            return
        except Unreachable as error:
            # Not looked at yet: the next poll asks again.
            self._settled.pop(hour, None)
            self._unreached = f"{self._source.where(*hour, name)}: {error.strerror}"
            self._source.skipped(self._unreached)
            return
        except (OSError, pa.ArrowException) as error:
            self._source.skipped(refusal(self._source.where(*hour, name), kind, error))
        seen[name] = known
