"""From the logs into the store: once, whatever happens in between."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipway.drift import store as storing
from shipway.drift.intake import Intake
from shipway.drift.store import Store
from shipway.drift.tally import Watch
from shipway.drift.watches import FolderReferences, Watches
from shipway.logs.sources import LocalSource
from tests.shipway.drift.toy import START, Toy, label, record

HOUR = int(START.timestamp() // 3600)
ALL = (0, 2**31)


def watch_of(toy: Toy) -> Watch:
    found = Watches(FolderReferences(toy.layout.artifacts), lambda _: None).get(toy.version)
    assert found is not None
    return found


def intake(toy: Toy, store: Store) -> Intake:
    watches = Watches(FolderReferences(toy.layout.artifacts), lambda _: None)
    return Intake(LocalSource(toy.logs, lambda _: None), store, watches.get)


def rows(store: Store, watch: Watch, segment: str = "") -> int:
    hours = store.hours(watch.version, segment, *ALL, watch.size)
    return int(sum(watch.counts(one)[: len(watch.inputs.fields[0])].sum() for one in hours.values()))


def labelled(store: Store, watch: Watch, segment: str = "") -> int:
    hours = store.hours(watch.version, segment, *ALL, watch.size)
    return int(sum(watch.label_counts(one).sum() for one in hours.values()))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "counts.sqlite")
    yield opened
    opened.close()


def test_every_record_counts_once(toy: Toy, store: Store) -> None:
    """Predictions with their segments, and labels in the hour in which they were predicted; a second look adds none."""
    toy.day(0)
    watch, taking = watch_of(toy), intake(toy, store)
    taken = taking.take()
    assert (taken.predictions, taken.labels, taken.unknown) == (480, 480, 0)
    assert (rows(store, watch), labelled(store, watch)) == (480, 480)
    parts = [(rows(store, watch, one), labelled(store, watch, one)) for one in ("colour=blue", "colour=red")]
    assert np.sum(parts, axis=0).tolist() == [480, 480]
    assert (taking.take().predictions, intake(toy, store).take().predictions) == (0, 0)
    assert sorted(store.hours(watch.version, "", *ALL, watch.size)) == list(range(HOUR, HOUR + 24, 4))


def test_labels_find_their_prediction_in_any_order_and_once(toy: Toy, store: Store) -> None:
    """One before its prediction, one twice, one of nobody, and one that is no number."""
    watch, taking = watch_of(toy), intake(toy, store)
    toy.write("labels", START, [label("a", 1.0, START), label("nobody", 1.0, START), label("b", float("nan"), START)])
    taking.take()
    toy.write("predictions", START, [record(one, START, 0.0, "red", 5.0, 0.5, toy.version) for one in "ab"])
    taking.take()
    assert labelled(store, watch) == 1
    toy.write("labels", START, [label("a", 0.0, START), label("b", 0.0, START), label("b", 1.0, START)], "more")
    taking.take()
    assert labelled(store, watch) == 2
    total = sum(store.hours(watch.version, "", *ALL, watch.size).values(), np.zeros(watch.size))
    # The first label counts: 1 of a, 0 of b.
    assert watch.label_sum(total) == 1


def test_a_process_that_dies_anywhere_counts_as_if_it_had_lived(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed at every write in turn, in the middle of what belongs together; the next one goes on."""
    toy.day(0, rows=48)
    watch = watch_of(toy)
    whole = Store.open(tmp_path / "whole.sqlite")
    intake(toy, whole).take()
    expected = whole.hours(watch.version, "", *ALL, watch.size)
    whole.close()

    path, kills, budget = tmp_path / "killed.sqlite", 0, [0]

    class Dying(sqlite3.Connection):
        """Dies after a number of statements, wherever that is."""

        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            if budget[0] == 0:
                raise KeyboardInterrupt
            budget[0] -= 1
            return super().execute(*arguments)

    made: list[Dying] = []

    def connected(name: str) -> sqlite3.Connection:
        made.append(sqlite3.connect(name, isolation_level=None, factory=Dying))
        return made[-1]

    monkeypatch.setattr(storing, "_connected", connected)
    for survives in range(8, 5000):
        budget[0] = survives
        try:
            opened = Store.open(path)
            intake(toy, opened).take()
        except KeyboardInterrupt:
            # What the kernel does for a process that was killed.
            made[-1].close()
            kills += 1
            continue
        break
    budget[0] = -1
    found = opened.hours(watch.version, "", *ALL, watch.size)
    opened.close()
    assert kills > 10
    assert found.keys() == expected.keys()
    assert all((found[hour] == expected[hour]).all() for hour in expected)


def test_a_segment_that_was_replaced_by_a_shorter_one_counts_no_record_twice(toy: Toy, store: Store) -> None:
    """Whatever took its place, what was counted stays counted, and only what goes beyond it is new."""
    watch, taking = watch_of(toy), intake(toy, store)
    records = [record(f"p{number}", START, 0.0, "red", 5.0, 0.5, toy.version) for number in range(10)]
    toy.write("predictions", START, records[:6])
    taking.take()
    toy.write("predictions", START, records[:2])
    taking.take()
    assert rows(store, watch) == 6
    toy.write("predictions", START, records)
    taking.take()
    assert rows(store, watch) == 10


def test_what_retention_removed_is_forgotten(toy: Toy, store: Store) -> None:
    """The list of segments is as long as the log; the counts stay."""
    toy.day(0, rows=48)
    watch, taking = watch_of(toy), intake(toy, store)
    taking.take()
    assert len(store.places()) == 12
    for path in (toy.logs / "predictions").glob("*/*.parquet"):
        path.unlink()
        path.parent.rmdir()
    taking.forget_gone()
    assert len(store.places()) == 6
    assert rows(store, watch) == 48


def test_a_bundle_that_is_not_there_is_said_once(toy: Toy, store: Store) -> None:
    """Its records are passed over and counted as unknown; a damaged bundle is as good as none."""
    said: list[str] = []
    watches = Watches(FolderReferences(toy.layout.artifacts), said.append)
    taking = Intake(LocalSource(toy.logs, said.append), store, watches.get)
    toy.write("predictions", START, [record("a", START, 0.0, "red", 5.0, 0.5, "f" * 12)])
    assert taking.take().unknown == 1
    toy.write("predictions", START, [record("b", START, 0.0, "red", 5.0, 0.5, "f" * 12)], "b")
    assert taking.take().unknown == 1
    assert said == [
        f"version {'f' * 12}: its drift is not watched; 0 bundles of this version are in the store, expected one"
    ]
    (toy.layout.bundle(toy.digest) / "files" / "reference.json").write_text("{}")
    assert Watches(FolderReferences(toy.layout.artifacts), said.append).get(toy.version) is None
    assert "reference.json: found sha256" in said[-1]
