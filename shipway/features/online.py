"""The online side: the newest value of each feature with the time it is from."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shipway.contract.errors import EntityError, FeatureError
from shipway.features.repository import open_store

__all__ = ["FeatureValue", "OnlineStore"]


@dataclass(frozen=True)
class FeatureValue:
    """One value as the store gave it: both None when it has none for these keys; `timestamp` is in UTC."""

    value: float | None
    timestamp: datetime | None


class OnlineStore:
    """The online store of the repository in `folder`; opening it takes the seconds Feast needs to import."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = open_store(folder)
        self._join_keys: dict[str, list[str]] = {}

    def read(self, reads: Sequence[str], entities: Mapping[str, object]) -> dict[str, FeatureValue]:
        """Returns the newest value of each of `reads` for one set of keys.

        Args:
            reads: features as `view:feature`.
            entities: join key -> value; keys that no view needs are ignored.

        Raises:
            FeatureError: when a view is unknown, a key is missing or the store cannot be read.
        """
        return self.read_many(reads, [entities])[0]

    def read_many(
        self, reads: Sequence[str], entities: Sequence[Mapping[str, object]]
    ) -> list[dict[str, FeatureValue]]:
        """Returns what `read` does for each set of keys, in order, in one question to the store."""
        if not reads or not entities:
            return [{} for _ in entities]
        keys = self._keys_of(reads)
        for row in entities:
            if missing := [key for key in keys if row.get(key) is None]:
                raise EntityError(f"{self._folder}: got no value for entity key {missing[0]!r}, expected {keys}")
        rows = [{key: row[key] for key in keys} for row in entities]
        try:
            answer = self._store.get_online_features(features=list(reads), entity_rows=rows, full_feature_names=True)
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise FeatureError(f"{self._folder / 'online.db'}: cannot read {', '.join(reads)}: {error}") from error
        return self._unpack(answer.proto, reads, len(rows))

    def publish(self, view: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Writes new values of one view; the last row of a key stays, so give them in the order of their time.

        Args:
            view: the view's name.
            rows: join keys, `event_timestamp` (a time with an offset) and the view's features.

        Raises:
            FeatureError: when the view is unknown or the store cannot be written.
        """
        if not rows:
            return
        import pandas as pd

        self._keys_of([f"{view}:"])
        frame = pd.DataFrame(list(rows))
        frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"], utc=True)
        try:
            self._store.write_to_online_store(view, df=frame)
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise FeatureError(f"{self._folder / 'online.db'}: cannot write view {view}: {error}") from error

    def _keys_of(self, reads: Sequence[str]) -> list[str]:
        """Returns the join keys that the views of `reads` need, sorted."""
        from feast.errors import FeastObjectNotFoundException

        needed: set[str] = set()
        for view in {read.partition(":")[0] for read in reads}:
            if view not in self._join_keys:
                try:
                    found = self._store.get_feature_view(view)
                except FeastObjectNotFoundException:
                    known = ", ".join(sorted(known.name for known in self._store.list_feature_views())) or "none"
                    raise FeatureError(
                        f"{self._folder}: found no feature view {view!r}, expected one of: {known}"
                    ) from None
                self._join_keys[view] = [str(column.name) for column in found.entity_columns]
            needed.update(self._join_keys[view])
        return sorted(needed)

    @staticmethod
    def _unpack(proto: Any, reads: Sequence[str], rows: int) -> list[dict[str, FeatureValue]]:
        columns = dict(zip(proto.metadata.feature_names.val, proto.results, strict=True))
        unpacked: list[dict[str, FeatureValue]] = [{} for _ in range(rows)]
        for read in reads:
            column = columns[read.replace(":", "__")]
            for row in range(rows):
                unpacked[row][read] = _value(column.values[row], column.event_timestamps[row].seconds)
        return unpacked


def _value(cell: Any, seconds: int) -> FeatureValue:
    """Returns a cell of Feast's answer; it gives time 0 and an unset value for keys that it does not know."""
    kind = cell.WhichOneof("val")
    timestamp = datetime.fromtimestamp(seconds, UTC) if seconds else None
    if kind is None or kind == "null_val" or timestamp is None:
        return FeatureValue(None, timestamp)
    number = float(getattr(cell, kind))
    return FeatureValue(number if number == number else None, timestamp)
