"""Drift of models whose logs lie in an object store."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipway.contract.drift import DriftStatus, WindowName
from shipway.contract.errors import ShipwayError
from shipway.contract.workers import described_bundle
from shipway.drift.process import stored
from shipway.drift.report import Asked, examine
from shipway.drift.stored import StoredReferences
from shipway.drift.watches import Watches
from shipway.logs.sources import Unreachable
from shipway.objects.storage import Entry, ObjectStorage
from tests.shipway.drift.clustered import COUNTS, SETTINGS, VERDICTS, Clustered
from tests.shipway.drift.test_detector import CALIBRATION, spec_of
from tests.shipway.drift.toy import NAME, START, Toy
from tests.standins.object_store import ObjectStore

DAY_SECONDS = 86_400


@pytest.fixture
def clustered(toy: Toy, store: ObjectStore) -> Clustered:
    """Four days, of which the last two drift, at the end of the fourth."""
    found = Clustered(toy, store, START.timestamp() + 4 * DAY_SECONDS)
    for number in range(4):
        toy.day(number, shift=0.7 if number > 1 else 0.0)
    found.ship()
    found.enter(1, toy.digest)
    return found


def test_verdicts_and_gauges_are_those_of_a_laptop(clustered: Clustered, tmp_path: Path) -> None:
    """The same records in the store are counted and judged alike, by the reference that lies beside them."""
    rounds = clustered.rounds(tmp_path / "pod")
    reading = rounds.round()
    rounds.close()
    assert clustered.verdicts() == ["06 stable", "07 stable", "08 stable", "09 drifted"]
    assert {one.feature: one.status for one in reading.states}["x"] == DriftStatus.DRIFTED
    assert reading.counted == {(NAME, "predictions"): 4 * 480, (NAME, "labels"): 4 * 480}
    assert (reading.worked_seconds, clustered.said) == (clustered.seconds, [])


def test_the_next_pod_goes_on_where_the_last_one_was(clustered: Clustered, tmp_path: Path) -> None:
    """Killed without a word, it costs what came since the counts were kept; nothing counts or is told twice."""
    first = clustered.rounds(tmp_path / "one")
    before = first.round()
    kept = clustered.store.objects[COUNTS]
    clustered.toy.day(4, shift=0.7)
    clustered.ship()
    clustered.seconds += 60
    first.round()
    assert clustered.store.objects[COUNTS] == kept
    again = clustered.rounds(tmp_path / "two")
    reading = again.round()
    assert reading.counted == {(NAME, "predictions"): 480, (NAME, "labels"): 480}
    assert [one for one in reading.states if one in before.states] == before.states
    clustered.seconds += DAY_SECONDS
    again.round()
    again.close()
    lines = clustered.store.objects[VERDICTS].splitlines()
    assert clustered.verdicts() == ["06 stable", "07 stable", "08 stable", "09 drifted", "10 drifted"]
    assert [json.loads(line)["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert clustered.said == []


def test_counts_are_kept_once_an_hour_and_at_the_end(clustered: Clustered, tmp_path: Path) -> None:
    """And not when there is nothing new: each time is paid for by what they weigh."""
    rounds = clustered.rounds(tmp_path / "pod")
    rounds.round()
    objects, first = clustered.store.objects, clustered.store.objects[COUNTS]
    clustered.seconds += 3600
    rounds.round()
    assert objects[COUNTS] == first
    clustered.toy.day(4, rows=60)
    clustered.ship()
    rounds.round()
    second = objects[COUNTS]
    assert second != first
    clustered.toy.write("predictions", START + timedelta(days=4, hours=1), [])
    clustered.toy.day(4, rows=120)
    clustered.ship()
    rounds.round()
    assert objects[COUNTS] == second
    rounds.close()
    assert objects[COUNTS] != second


def test_of_two_pods_at_once_one_begins_again(clustered: Clustered, tmp_path: Path) -> None:
    """A node that was lost may still write: what one has kept the other does not write over, and nothing is doubled."""
    one, two = clustered.rounds(tmp_path / "one"), clustered.rounds(tmp_path / "two")
    one.round()
    clustered.toy.day(4, shift=0.7)
    clustered.ship()
    clustered.seconds += DAY_SECONDS
    two.round()
    assert one.round().worked_seconds == clustered.seconds - DAY_SECONDS
    where = f"s3://bucket/{VERDICTS}"
    assert clustered.said == [f"{NAME}: its drift cannot be judged ([Errno 0] another process keeps it too: {where!r})"]
    reading = one.round()
    assert reading.worked_seconds == clustered.seconds
    assert clustered.verdicts() == ["06 stable", "07 stable", "08 stable", "09 drifted", "10 drifted"]
    rows = {line["n_current"] for line in map(json.loads, clustered.store.objects[VERDICTS].splitlines())}
    assert max(rows) == 480


def test_a_silent_store_stops_the_heartbeat_and_costs_nothing(clustered: Clustered, tmp_path: Path) -> None:
    """What was counted stays on the pod's disk until the store takes it again."""
    rounds = clustered.rounds(tmp_path / "pod")
    worked = rounds.round().worked_seconds
    clustered.store.answers = False
    clustered.seconds += 7200
    assert rounds.round().worked_seconds == worked
    assert clustered.said[-1].startswith(f"{NAME}: its drift cannot be judged (")
    clustered.store.answers = True
    clustered.toy.day(4, rows=60)
    clustered.ship()
    reading = rounds.round()
    assert reading.worked_seconds == clustered.seconds
    assert reading.counted == {(NAME, "predictions"): 4 * 480 + 60, (NAME, "labels"): 4 * 480 + 60}


@pytest.mark.parametrize("what", ["list", "segment"])
def test_what_cannot_be_looked_at_closes_no_window(
    clustered: Clustered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Though the rest of the store answers: a day whose rows were not read is neither silent nor judged on a part."""
    rounds = clustered.rounds(tmp_path / "pod")
    worked = rounds.round().worked_seconds
    clustered.toy.day(4, shift=0.7)
    clustered.ship()
    clustered.seconds += DAY_SECONDS
    entries = ObjectStorage.entries

    def refused(self: ObjectStorage, below: str = "", after: str = "") -> list[Entry]:
        if below == "predictions/":
            raise OSError(0, "the object store answered SlowDown", below)
        return entries(self, below, after)

    with monkeypatch.context() as patch:
        if what == "list":
            patch.setattr(ObjectStorage, "entries", refused)
        else:
            clustered.store.refused.add(f"logs/{NAME}/predictions/2013-05-10T20/a.parquet")
        assert rounds.round().worked_seconds == worked
        asked = Asked(WindowName.DAY)
        place, keeper = stored(SETTINGS, tmp_path / "none", clustered.said.append, lambda: clustered.seconds)
        wall = datetime.fromtimestamp(clustered.seconds, UTC)
        with pytest.raises(ShipwayError, match="SlowDown"):
            examine(place, keeper, SETTINGS.tier, spec_of(clustered.toy), asked, wall, CALIBRATION)
    clustered.store.refused.clear()
    assert clustered.verdicts()[-1] == "09 drifted"
    assert rounds.round().worked_seconds == clustered.seconds
    assert clustered.verdicts()[-1] == "10 drifted"
    rounds.close()


def test_a_store_that_does_not_list_its_models_has_not_been_looked_at(clustered: Clustered, tmp_path: Path) -> None:
    """Of a pod that begins: that it knows no model is not that there is none."""
    clustered.store.answers = False
    rounds = clustered.rounds(tmp_path / "pod")
    assert rounds.round().worked_seconds is None
    clustered.store.answers = True
    assert rounds.round().worked_seconds == clustered.seconds


def test_a_reference_that_cannot_be_read_now_is_waited_for(clustered: Clustered, tmp_path: Path) -> None:
    """One that is not there leaves its version unwatched; one that is another version's is never counted by."""
    name = described_bundle(clustered.toy.version, "reference.json")
    key = f"logs/{NAME}/{name}"
    content = clustered.store.objects[key]
    clustered.store.refused.add(key)
    rounds = clustered.rounds(tmp_path / "pod")
    assert rounds.round().counted == {}
    assert f"s3://bucket/{key}" in clustered.said[-1]
    clustered.store.refused.clear()
    assert rounds.round().counted[NAME, "predictions"] == 4 * 480
    clustered.store.objects[key] = content.replace(b"blue", b"teal")
    other = clustered.rounds(tmp_path / "other")
    clustered.store.objects.pop(COUNTS)
    assert other.round().unknown == {NAME: 4 * 480}
    assert (
        f"version {clustered.toy.version}: its drift is not watched; s3://bucket/{key}: found sha256 "
        in (clustered.said[-1])
    )


def test_a_reference_that_comes_after_the_records_is_waited_for_a_while(clustered: Clustered) -> None:
    """What is passed over is not counted later; one that never comes holds nobody up for ever."""
    name = described_bundle(clustered.toy.version, "reference.json")
    content = clustered.store.objects.pop(f"logs/{NAME}/{name}")
    now, said = [0.0], list[str]()
    references = StoredReferences(ObjectStorage(f"s3://bucket/logs/{NAME}"))
    watches = Watches(references, said.append, lambda: now[0])
    for now[0] in (0.0, 59.0):
        with pytest.raises(Unreachable, match="it is not there yet"):
            watches.get(clustered.toy.version)
    late = Watches(references, said.append, lambda: now[0])
    with pytest.raises(Unreachable):
        late.get(clustered.toy.version)
    now[0] = 61.0
    assert watches.get(clustered.toy.version) is None
    assert "its drift is not watched" in said[0]
    clustered.store.objects[f"logs/{NAME}/{name}"] = content
    assert late.get(clustered.toy.version) is not None


def test_verdicts_go_on_after_lost_counts(clustered: Clustered, tmp_path: Path) -> None:
    """Their numbers follow those that are there: else the next ones would pass for written already."""
    rounds = clustered.rounds(tmp_path / "pod")
    rounds.round()
    rounds.close()
    before = len(clustered.store.objects[VERDICTS].splitlines())
    clustered.store.objects.pop(COUNTS)
    again = clustered.rounds(tmp_path / "again")
    again.round()
    again.close()
    numbers = [json.loads(line)["sequence"] for line in clustered.store.objects[VERDICTS].splitlines()]
    assert numbers == list(range(1, 2 * before + 1))


def test_a_store_that_takes_any_write_is_refused(clustered: Clustered, tmp_path: Path) -> None:
    """Two pods could lose each other's counts there, so nothing is judged and it is said why."""
    clustered.store.conditional = False
    assert clustered.rounds(tmp_path / "pod").round().worked_seconds is None
    assert "the object store ignores If-Match" in clustered.said[-1]


@pytest.mark.parametrize(("live", "silent"), [(True, True), (False, False)])
def test_what_is_live_comes_from_the_ledger(clustered: Clustered, tmp_path: Path, live: bool, silent: bool) -> None:
    """A live version that nobody asks is silent; one that was taken out is not, and a release changes neither."""
    clustered.enter(2, clustered.toy.digest if live else "")
    clustered.enter(3, "sha256:" + "5" * 64, generation=None)
    rounds = clustered.rounds(tmp_path / "pod")
    rounds.round()
    clustered.seconds += 2 * DAY_SECONDS
    assert (DriftStatus.SILENT in {one.status for one in rounds.round().states}) is silent


def test_a_person_sees_what_the_worker_kept_and_what_came_since(clustered: Clustered, tmp_path: Path) -> None:
    """With nothing written anywhere, as on a laptop."""
    rounds = clustered.rounds(tmp_path / "pod")
    rounds.round()
    clustered.toy.day(4, shift=0.7)
    clustered.ship()
    before = dict(clustered.store.objects)
    place, keeper = stored(SETTINGS, tmp_path / "none", clustered.said.append, lambda: clustered.seconds)
    wall = datetime.fromtimestamp(clustered.seconds + DAY_SECONDS, UTC)
    asked = Asked(WindowName.DAY)
    report = examine(place, keeper, SETTINGS.tier, spec_of(clustered.toy), asked, wall, CALIBRATION)
    assert (report.closed, report.span.start) == (True, START + timedelta(days=4))
    assert [f"{one.window.start[8:10]} {one.status}" for one in report.verdicts if one.feature == "x"][-2:] == [
        "09 drifted",
        "10 drifted",
    ]
    assert (clustered.store.objects, (tmp_path / "none").exists()) == (before, False)
