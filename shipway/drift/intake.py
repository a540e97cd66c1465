"""From the logs of one model into its store: each record counts once, wherever a process stops and another goes on."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shipway.contract.drift import ALL_ROWS
from shipway.drift.store import Store
from shipway.drift.tally import COLUMNS, Group, Vector, Waiting, Watch, key_of, tally
from shipway.logs.sources import Source
from shipway.logs.tail import Piece, Tail

__all__ = ["NEWEST", "REPLAYED", "Intake", "Taken"]

# The facts under which a store keeps the newest event time, and that of what was replayed, in microseconds since the
# epoch.
NEWEST, REPLAYED = "newest", "replayed"


@dataclass
class Taken:
    """What one look at the logs found.

    Args:
        predictions, labels: new records.
        unknown: of these predictions, those of versions whose bundle is not there.
    """

    predictions: int = 0
    labels: int = 0
    unknown: int = 0


class Intake:
    """Counts what is new in the logs of one model.

    Args:
        source: the logs.
        store: where the counts are kept; what it says is read already is not read again.
        watch: version -> what is counted of it, None where that is not known.
    """

    def __init__(self, source: Source, store: Store, watch: Callable[[str], Watch | None]) -> None:
        self._source, self._store, self._watch = source, store, watch
        self._places = store.places()
        self._tail = Tail(source, COLUMNS, dict(self._places))

    @property
    def missed(self) -> str:
        """Why the last `take` could not look at all that there is; empty when it could."""
        return self._tail.missed

    def take(self) -> Taken:
        """Counts all that is new, one piece of the log after the other, and returns how much it was."""
        taken = Taken()
        for piece in self._tail.poll():
            self._take(piece, taken)
        return taken

    def forget_gone(self) -> None:
        """Forgets the segments of hours that retention has removed."""
        here = {(kind, hour) for kind in COLUMNS for hour in self._source.hours(kind)}
        gone = [place for place in self._places if place[:2] not in here]
        self._store.forget_places(gone)
        for place in gone:
            del self._places[place]

    def _take(self, piece: Piece, taken: Taken) -> None:
        place = (piece.kind, piece.hour, piece.name)
        # A segment that was replaced by a shorter one is read again from its start: what was counted stays counted.
        counted = max(0, self._places.get(place, 0) - (piece.records - piece.table.num_rows))
        table = piece.table.slice(counted)
        if not table.num_rows:
            return
        with self._store.change():
            if piece.kind == "predictions":
                self._predictions(table, taken, (NEWEST, REPLAYED) if piece.replayed else (NEWEST,))
            else:
                self._labels(table, taken)
            self._store.move(place, piece.records)
        self._places[place] = piece.records

    def _predictions(self, table: pa.Table, taken: Taken, clocks: Iterable[str]) -> None:
        versions = set(table.column("version").to_pylist())
        found = tally(table, {version: self._watch(version) for version in versions})
        self._store.add(found.counts)
        self._judge(self._store.wait(found.waiting))
        for clock in clocks:
            newest = int(self._store.fact(clock) or 0)
            self._store.remember(clock, str(max(newest, found.newest or 0)))
        taken.predictions += table.num_rows
        taken.unknown += sum(found.unknown.values())

    def _labels(self, table: pa.Table, taken: Taken) -> None:
        pairs = zip(table.column("prediction_id").to_pylist(), table.column("label").to_pylist(), strict=True)
        labels: dict[int, float] = {}
        for one, label in pairs:
            if one is not None and label is not None and math.isfinite(label):
                # Of two labels for one prediction the first counts.
                labels.setdefault(key_of(one), label)
        self._judge(self._store.label(labels))
        taken.labels += table.num_rows

    def _judge(self, labelled: Iterable[tuple[Waiting, float]]) -> None:
        """Counts labels where their predictions are counted: in the hour in which these were asked."""
        counts: dict[Group, Vector] = {}
        for one, label in labelled:
            watch = self._watch(one.version)
            if watch is None:
                continue
            vector = watch.label_vector(one.prediction, label)
            for segment in (ALL_ROWS, *one.segments):
                group = Group(one.hour, one.version, segment)
                counts[group] = np.add(counts[group], vector) if group in counts else vector
        self._store.add(counts)
