"""Sampled predictions that wait until the offline store must know what was known when they were asked for."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.contract.errors import ShipwayError
from shipway.contract.parity import ParityOutcome
from shipway.logs.schemas import PREDICTION_SCHEMA, Kind
from shipway.logs.sources import Source
from shipway.logs.tail import Tail
from shipway.parity.keeping import Kept
from shipway.parity.sampling import chosen, least

__all__ = ["MOST_WAITING", "WAITING_FILE", "Counted", "Memory", "Waiting", "load"]

WAITING_FILE = "waiting.parquet"

# Of more than this, those with the least lots stay: still a sample, and a file of less than a megabyte.
MOST_WAITING = 2000

_PREDICTIONS: Kind = "predictions"
_READ, _TRIES, _COUNTED = b"read", b"tries", b"counted"

Segment = tuple[Kind, str, str]
# Feature -> outcome -> rows.
Counted = Mapping[str, Mapping[ParityOutcome, int]]


@dataclass(frozen=True)
class Memory:
    """What is remembered of one model; all of it changes together.

    Args:
        records: the predictions that wait.
        read: segment of the log -> how many of its records were read.
        tries: version -> how often in a row it could not be compared.
        counted: how the rows ended that were ever compared.
    """

    records: pa.Table = field(default_factory=PREDICTION_SCHEMA.empty_table)
    read: dict[Segment, int] = field(default_factory=dict[Segment, int])
    tries: dict[str, int] = field(default_factory=dict[str, int])
    counted: dict[str, dict[ParityOutcome, int]] = field(default_factory=dict[str, dict[ParityOutcome, int]])


class Waiting:
    """What waits of one model, how far its log was read and what came of what was read: kept together or not at all.

    Args:
        kept: where; what it says is gone on with after a restart.
        source: the model's logs.
    """

    def __init__(self, kept: Kept, source: Source) -> None:
        self._kept, self._source = kept, source
        self._memory = load(kept)
        self._tail = Tail(source, {_PREDICTIONS: PREDICTION_SCHEMA.names}, self._memory.read)
        self.dropped = 0

    @property
    def records(self) -> pa.Table:
        """The predictions that wait."""
        return self._memory.records

    @property
    def counted(self) -> Counted:
        """How the rows ended that were ever compared."""
        return self._memory.counted

    def take(self, ratio: float) -> None:
        """Adds the sampled ones of what is newly logged, and writes down how far the log is read."""
        read, records = dict(self._memory.read), self._memory.records
        for piece in self._tail.poll():
            read[piece.kind, piece.hour, piece.name] = piece.records
            records = pa.concat_tables([records, chosen(piece.table, ratio)])
            if (excess := records.num_rows - MOST_WAITING) > 0:
                records, self.dropped = least(records, MOST_WAITING), self.dropped + excess
        if read != self._memory.read:
            hours = set(self._source.hours(_PREDICTIONS))
            read = {segment: count for segment, count in read.items() if segment[1] in hours}
            self._save(replace(self._memory, records=records, read=read))
        if self._tail.missed:
            raise ShipwayError(self._tail.missed)

    def due(self, now_seconds: float, delay_seconds: float, most: int) -> pa.Table:
        """Returns at most `most` of those whose event is at least `delay_seconds` old, the oldest first."""
        until = datetime.fromtimestamp(now_seconds - delay_seconds, UTC)
        times: list[datetime] = self.records.column("event_time").to_pylist()
        ready = sorted((row for row, time in enumerate(times) if time <= until), key=times.__getitem__)
        return self.records.take(pa.array(ready[:most], pa.int64()))

    def tried(self, version: str) -> int:
        """Counts that the predictions of a version could not be compared, and returns how often that was in a row."""
        tries = self._memory.tries.get(version, 0) + 1
        self._save(replace(self._memory, tries=self._memory.tries | {version: tries}))
        return tries

    def settle(self, version: str, records: pa.Table, outcomes: Counted) -> None:
        """Counts how `records` ended and forgets them: those of a version that were compared, or never can be."""
        memory = self._memory
        counted = {name: dict(ended) for name, ended in memory.counted.items()}
        for name, ended in outcomes.items():
            mine = counted.setdefault(name, dict.fromkeys(ParityOutcome, 0))
            for outcome, rows in ended.items():
                mine[outcome] += rows
        done = set(records.column("prediction_id").to_pylist())
        left = [row for row, one in enumerate(memory.records.column("prediction_id").to_pylist()) if one not in done]
        tries = {one: count for one, count in memory.tries.items() if one != version}
        records = memory.records.take(pa.array(left, pa.int64()))
        self._save(replace(memory, records=records, tries=tries, counted=counted))

    def _save(self, memory: Memory) -> None:
        """Keeps `memory`, and only then it is what is remembered."""
        sink = pa.BufferOutputStream()
        said = {
            _READ: json.dumps([[*segment, count] for segment, count in sorted(memory.read.items())]),
            _TRIES: json.dumps(memory.tries),
            _COUNTED: json.dumps(memory.counted, sort_keys=True),
        }
        pq.write_table(memory.records.replace_schema_metadata(said), sink, compression="zstd")
        self._kept.keep(sink.getvalue().to_pybytes())
        self._memory = memory


def load(kept: Kept) -> Memory:
    """Returns what is remembered, nothing where nothing was kept yet.

    Raises:
        ShipwayError: when it is not what parity keeps.
        OSError: when it cannot be had now.
    """
    if not (content := kept.fetch()):
        return Memory()
    try:
        table = pq.read_table(pa.BufferReader(content))
        said = table.schema.metadata or {}
        counted = json.loads(said.get(_COUNTED, b"{}"))
        return Memory(
            records=table.replace_schema_metadata(None).cast(PREDICTION_SCHEMA),
            read={(kind, hour, name): count for kind, hour, name, count in json.loads(said[_READ])},
            tries=json.loads(said[_TRIES]),
            counted={
                name: dict.fromkeys(ParityOutcome, 0) | {ParityOutcome(one): rows for one, rows in ended.items()}
                for name, ended in counted.items()
            },
        )
    except (pa.ArrowException, AttributeError, KeyError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ShipwayError(
            f"{kept.where}: {reason}, expected what parity left there; without it the log is read anew"
        ) from None
