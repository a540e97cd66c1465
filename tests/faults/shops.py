"""A real online store with values that are known, and the ways in which it fails."""

import random
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from shipway.contract.documents import write_atomic
from shipway.features.online import OnlineStore
from shipway.features.repository import PROJECT, apply_objects, feature_store_yaml
from tests.faults.asking import Question

# Feature -> its default; stored values are all from 10 to 99, so that no value is taken for a default.
DEFAULTS = {"sales_v1:items": -1.0, "visits_v1:visits": -2.0}
SALES, VISITS = (name.partition(":")[0] for name in DEFAULTS)


class Shops:
    """The online store of some shops, each with two features from two views.

    Args:
        folder: the feature repository, made here.
        chance: chooses the values.
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.names = [f"shop-{number}" for number in range(5)]
        self.values = {
            name: {"items": float(chance.randrange(10, 100)), "visits": float(chance.randrange(10, 100))}
            for name in self.names
        }
        write_atomic(folder / "feature_store.yaml", feature_store_yaml())
        apply_objects(_objects(), folder)
        with closing(sqlite3.connect(self.database)) as connection:
            # Without a write-ahead log a writer holds up readers: so that one of the faults can.
            connection.execute("PRAGMA journal_mode=DELETE")
        self.publish()

    @property
    def database(self) -> Path:
        return self.folder / "online.db"

    def publish(self, view: str = "", age: timedelta = timedelta(seconds=5), *, empty: bool = False) -> None:
        """Writes the known values of one view, or of both, as of `age` ago."""
        store = OnlineStore(self.folder)
        at = datetime.now(UTC) - age
        for name, feature in ((SALES, "items"), (VISITS, "visits")):
            if view in ("", name):
                rows = [
                    {"shop": shop, feature: float("nan") if empty else found[feature], "event_timestamp": at}
                    for shop, found in self.values.items()
                ]
                store.publish(name, rows)

    def fresh(self, one: Question) -> bool:
        """Returns whether an answer was made from both stored values."""
        return one.prediction == self._told(one.row, default_items=False, default_visits=False)

    def possible(self, one: Question) -> bool:
        """Returns whether an answer was made from stored values or defaults, each feature by itself."""
        both = (False, True)
        known = {self._told(one.row, default_items=items, default_visits=visits) for items in both for visits in both}
        return one.prediction in known

    def as_declared(self, one: Question, kind: str) -> bool:
        """Returns whether an answer during a fault was made from what model.yaml declares for it."""
        # A slot that already knows the new schema cannot ask for both features any more, one that does not can.
        both = (False, True) if kind == "renamed" else (kind in FaultyStore.DOWN,)
        return one.prediction in {self._told(one.row, default_items=True, default_visits=visits) for visits in both}

    def _told(self, row: Mapping[str, Any], *, default_items: bool, default_visits: bool) -> float:
        found = self.values[row["who"]]
        items = DEFAULTS[f"{SALES}:items"] if default_items else found["items"]
        visits = DEFAULTS[f"{VISITS}:visits"] if default_visits else found["visits"]
        return items * 1000 + visits


class FaultyStore:
    """Makes the store fail in one way, and heals it at the end.

    Args:
        shops: the store.
        kind: the way; one of those in DOWN spoils every read, the others one view.
    """

    DOWN: ClassVar[tuple[str, ...]] = ("dropped", "corrupt", "locked", "retyped")
    KINDS: ClassVar[tuple[str, ...]] = (*DOWN, "renamed", "stale", "future", "empty")

    def __init__(self, shops: Shops, kind: str) -> None:
        self._shops, self._kind = shops, kind
        self._kept = b""
        self._holder: sqlite3.Connection | None = None

    def __enter__(self) -> None:
        shops, table = self._shops, f"{PROJECT}_{SALES}"
        match self._kind:
            case "dropped":
                self._execute(f'ALTER TABLE "{table}" RENAME TO "gone"')
            case "corrupt":
                self._kept = shops.database.read_bytes()
                with shops.database.open("r+b") as stream:
                    stream.write(b"no database " * (len(self._kept) // 12))
            case "locked":
                self._holder = sqlite3.connect(shops.database, timeout=10)
                self._holder.execute("BEGIN EXCLUSIVE")
            case "renamed":
                apply_objects(_objects(items="units"), shops.folder)
                # As in a store that was filled anew for the new schema.
                self._execute(f"DELETE FROM \"{table}\" WHERE feature_name = 'items'")
            case "retyped":
                apply_objects(_objects(text=True), shops.folder)
                rows = [{"shop": shop, "items": "many", "event_timestamp": datetime.now(UTC)} for shop in shops.names]
                OnlineStore(shops.folder).publish(SALES, rows)
            case "stale":
                shops.publish(SALES, timedelta(seconds=3605))
            case "future":
                shops.publish(SALES, -timedelta(hours=1))
            case _:
                shops.publish(SALES, empty=True)
        # A slot reads the registry again when the file has changed.
        time.sleep(0.1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shops, table = self._shops, f"{PROJECT}_{SALES}"
        match self._kind:
            case "dropped":
                self._execute(f'ALTER TABLE "gone" RENAME TO "{table}"')
            case "corrupt":
                with shops.database.open("r+b") as stream:
                    stream.write(self._kept)
            case "locked":
                assert self._holder is not None
                self._holder.rollback()
                self._holder.close()
            case "renamed" | "retyped":
                apply_objects(_objects(), shops.folder)
                shops.publish(SALES)
            case _:
                shops.publish(SALES)

    def _execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self._shops.database, timeout=10)) as connection:
            connection.execute(statement)
            connection.commit()


def _objects(*, items: str = "items", text: bool = False) -> list[Any]:
    # Feast takes seconds to import; one fault needs it.
    from feast import Entity, FeatureView, Field, FileSource
    from feast.types import Float64, String
    from feast.value_type import ValueType

    shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)

    def view(name: str, feature: str, kind: Any) -> Any:
        source = FileSource(name=f"{name}_source", path=f"data/{name}.parquet", timestamp_field="event_timestamp")
        schema = [Field(name=feature, dtype=kind)]
        return FeatureView(name=name, entities=[shop], ttl=timedelta(0), schema=schema, source=source)

    return [shop, view(SALES, items, String if text else Float64), view(VISITS, "visits", Float64)]
