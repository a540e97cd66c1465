"""Sampled predictions that wait until the offline store must know what was known when they were asked for."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.contract.errors import ShipwayError
from shipway.logs.schemas import PREDICTION_SCHEMA, Kind
from shipway.logs.sources import Source
from shipway.logs.tail import Tail
from shipway.parity.sampling import chosen, least

__all__ = ["MOST_WAITING", "Waiting"]

# Of more than this, those with the least lots stay: still a sample, and a file of less than a megabyte.
MOST_WAITING = 2000

_PREDICTIONS: Kind = "predictions"
_READ, _TRIES = b"read", b"tries"

Segment = tuple[Kind, str, str]


class Waiting:
    """What waits of one model, and how far its log was read: one file, so that neither is ever without the other.

    Args:
        path: the file; what it says is gone on with after a restart.
        source: the model's logs.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self._path, self._source = path, source
        self.records, self._read, self._tries = _load(path)
        self._tail = Tail(source, {_PREDICTIONS: PREDICTION_SCHEMA.names}, self._read)
        self.dropped = 0

    def take(self, ratio: float) -> None:
        """Adds the sampled ones of what is newly logged, and writes down how far the log is read."""
        changed = False
        for piece in self._tail.poll():
            changed = True
            self._read[piece.kind, piece.hour, piece.name] = piece.records
            self.records = pa.concat_tables([self.records, chosen(piece.table, ratio)])
            if (excess := self.records.num_rows - MOST_WAITING) > 0:
                self.records, self.dropped = least(self.records, MOST_WAITING), self.dropped + excess
        if changed:
            hours = set(self._source.hours(_PREDICTIONS))
            self._read = {segment: read for segment, read in self._read.items() if segment[1] in hours}
            self._save()

    def due(self, now_seconds: float, delay_seconds: float, most: int) -> pa.Table:
        """Returns at most `most` of those whose event is at least `delay_seconds` old, the oldest first."""
        until = datetime.fromtimestamp(now_seconds - delay_seconds, UTC)
        times: list[datetime] = self.records.column("event_time").to_pylist()
        ready = sorted((row for row, time in enumerate(times) if time <= until), key=times.__getitem__)
        return self.records.take(pa.array(ready[:most], pa.int64()))

    def tried(self, version: str) -> int:
        """Counts that the predictions of a version could not be compared, and returns how often that was in a row."""
        self._tries[version] = self._tries.get(version, 0) + 1
        self._save()
        return self._tries[version]

    def settle(self, version: str, records: pa.Table) -> None:
        """Forgets `records`: those of a version that were compared, or never can be."""
        self._tries.pop(version, None)
        done = set(records.column("prediction_id").to_pylist())
        kept = [row for row, one in enumerate(self.records.column("prediction_id").to_pylist()) if one not in done]
        self.records = self.records.take(pa.array(kept, pa.int64()))
        self._save()

    def _save(self) -> None:
        read = [[*segment, count] for segment, count in sorted(self._read.items())]
        table = self.records.replace_schema_metadata({_READ: json.dumps(read), _TRIES: json.dumps(self._tries)})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        pq.write_table(table, temporary, compression="zstd")
        temporary.rename(self._path)


def _load(path: Path) -> tuple[pa.Table, dict[Segment, int], dict[str, int]]:
    if not path.exists():
        return PREDICTION_SCHEMA.empty_table(), {}, {}
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        kept = table.schema.metadata or {}
        read = {(kind, hour, name): count for kind, hour, name, count in json.loads(kept[_READ])}
        return table.replace_schema_metadata(None).cast(PREDICTION_SCHEMA), read, json.loads(kept[_TRIES])
    except (pa.ArrowException, KeyError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ShipwayError(
            f"{path}: {reason}, expected what parity left there; without it the log is read anew"
        ) from None
