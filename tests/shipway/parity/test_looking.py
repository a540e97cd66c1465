"""A look at what is newly logged: sampled, waited for, compared once, also across restarts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from prometheus_client import generate_latest

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.lots import lot
from shipway.contract.metrics import (
    HEARTBEAT_TIMESTAMP_SECONDS,
    PARITY_COMPARED_TOTAL,
    PARITY_DIFFERENT_TOTAL,
    PARITY_ROWS_TOTAL,
)
from shipway.contract.parity import ParityOutcome
from shipway.logs.schemas import PREDICTION_SCHEMA
from shipway.parity.found import Found, FoundModel
from shipway.parity.journal import KEPT_LINES, keep_worst
from shipway.parity.keeping import KeptFile
from shipway.parity.looking import look
from shipway.parity.measures import Measures
from shipway.parity.process import Rounds
from shipway.parity.report import FeatureParity, Report, Worst
from shipway.parity.running import Question
from shipway.parity.sampling import chosen, sample, stretch
from shipway.parity.stacks import LocalStack
from shipway.parity.waiting import MOST_WAITING
from tests.shipway.labels.logs import MODEL, new_id

NAME, VERSION = "toy-parity", "0123456789ab"
NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)
READ = "sales_v1:items"
NONE = dict.fromkeys(ParityOutcome, 0)


def parity_of(name: str, different: int, equal: int, worst: tuple[Worst, ...] = ()) -> FeatureParity:
    outcomes = NONE | {ParityOutcome.EQUAL: equal, ParityOutcome.DIFFERENT: different}
    return FeatureParity(
        name=name, outcomes=outcomes, skewed_ratio=different / (different + equal), skewed=different > 0, worst=worst
    )


def report_of(records: pa.Table, different: int = 0) -> Report:
    """Returns a report in which the first predictions of `records` differ."""
    ids: list[str] = records.column("prediction_id").to_pylist()
    worst = tuple(
        Worst(prediction_id=one, event_time="t", keys="{}", outcome=ParityOutcome.DIFFERENT, served=2.0, offline=1.0)
        for one in ids[:different]
    )
    names = (READ, "prediction:served", "prediction:offline")
    parities = [parity_of(name, different, len(ids) - different, worst) for name in names]
    return Report(
        model=NAME,
        version=VERSION,
        rows=len(ids),
        first="",
        last="",
        offline="",
        features=tuple(parities[:1]),
        predictions=tuple(parities[1:]),
    )


class World:
    """A project with one model whose predictions the test logs, and a clock of its own."""

    def __init__(self, root: Path) -> None:
        self.layout, self.now = LocalLayout(root, "local"), NOON.timestamp()
        self.asked: list[list[str]] = []
        self.said: list[str] = []
        self.answer: Callable[[pa.Table], Report] = report_of
        self.layout.bundle(f"sha256:{VERSION}{'0' * 52}").mkdir(parents=True)
        self.describe(sample_ratio=1.0)

    def describe(self, **parity: Any) -> None:
        folder = self.layout.root / "services" / "toy_parity"
        folder.mkdir(parents=True, exist_ok=True)
        reads = [{"name": READ, "default": 0.0, "ttl_seconds": 60.0}]
        document = MODEL | {"name": NAME, "features": {"reads": reads}, "parity": parity}
        (folder / "model.yaml").write_text(yaml.safe_dump(document))

    def log(self, ids: list[str], name: str = "a", at: datetime = NOON - timedelta(hours=2), **more: Any) -> Path:
        records = [
            {"prediction_id": one, "event_time": at, "version": VERSION, "served_by": "model"} | more for one in ids
        ]
        path = self.layout.predictions / NAME / "predictions" / at.strftime("%Y-%m-%dT%H") / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(records, schema=PREDICTION_SCHEMA), path)
        return path

    def look(self) -> FoundModel:
        stack = LocalStack(self.layout, self.said.append, self.now)
        (found,) = look(stack, self._compare, self.said.append, self.now).models
        return found

    def _compare(self, question: Question, records: pa.Table) -> Report:
        assert (question.model, question.version) == (NAME, VERSION)
        self.asked.append(records.column("prediction_id").to_pylist())
        return self.answer(records)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_each_prediction_is_compared_once(world: World) -> None:
    """Across looks, and so across restarts; a segment that grows brings only what is new, and all of it is known."""
    ids = [new_id() for _ in range(6)]
    world.log(ids[:4])
    assert world.look().rows[READ] == NONE | {ParityOutcome.EQUAL: 4}
    world.log(ids)
    for _ in range(2):
        assert world.look().rows[READ] == NONE | {ParityOutcome.EQUAL: 6}
    assert sorted(one for some in world.asked for one in some) == sorted(ids)


def test_a_prediction_waits_for_the_offline_store(world: World) -> None:
    """An hour by default; then it is compared, whoever asks."""
    world.log(ids := [new_id()], at=NOON - timedelta(minutes=30))
    found = world.look()
    assert (found.waiting, found.failures, world.asked) == (1, 0, [])
    world.now += 1799
    assert world.look().waiting == 1
    world.now += 1
    assert (world.look().waiting, world.asked) == (0, [ids])


def test_the_sample_is_by_id_and_as_large_as_it_says(world: World) -> None:
    """The same predictions in every process, about the share that model.yaml names."""
    world.describe(sample_ratio=0.25)
    ids = [new_id() for _ in range(400)]
    world.log(ids)
    world.look()
    assert sorted(world.asked[0]) == sorted(one for one in ids if lot(one) < 0.25)
    assert 60 < len(world.asked[0]) < 140


def test_what_waits_is_bounded(world: World) -> None:
    """Beyond the bound those with the greatest lots go, and are counted."""
    ids = [new_id() for _ in range(MOST_WAITING + 100)]
    world.log(ids, at=NOON)
    found = world.look()
    assert (found.waiting, found.dropped) == (MOST_WAITING, 100)
    world.now += 7200
    for _ in range(4):
        world.look()
    assert max(map(lot, (one for some in world.asked for one in some))) <= sorted(map(lot, ids))[MOST_WAITING - 1]


def test_a_comparison_that_fails_is_tried_again_and_then_given_up(world: World) -> None:
    """Its rows are kept, then unknown: neither equal nor different; the next ones have their own tries."""

    def refuse(_: pa.Table) -> Report:
        raise ShipwayError("no store")

    world.answer = refuse
    world.log([new_id(), new_id()])
    looks = [world.look() for _ in range(3)]
    assert [one.failures for one in looks] == [1, 1, 1]
    assert [one.waiting for one in looks] == [2, 2, 0]
    assert looks[2].rows[READ] == NONE | {ParityOutcome.UNKNOWN: 2}
    assert world.said[-1] == f"{NAME} {VERSION}: given up after 3 tries, 2 predictions stay unknown"
    world.log([new_id()], name="b")
    assert world.look().waiting == 1
    world.answer = report_of
    assert world.look().rows[READ] == NONE | {ParityOutcome.EQUAL: 1, ParityOutcome.UNKNOWN: 2}


def test_a_model_that_is_switched_off_is_not_looked_at(world: World) -> None:
    """Nothing is read of it, and nothing fails, so that the others' heartbeat says something."""
    world.describe(sample_ratio=1.0, enabled=False)
    world.log([new_id()], version="ffffffffffff")
    assert world.look() == FoundModel(model=NAME, rows={}, failures=0, waiting=0, dropped=0)
    assert (world.said, world.layout.parity.exists()) == ([], False)


def test_a_version_without_a_bundle_is_a_failure(world: World) -> None:
    """Nothing is compared with another version's code."""
    world.log([new_id()], version="ffffffffffff")
    assert world.look().failures == 1
    assert "ffffffffffff: no bundle in" in world.said[0]


def test_a_broken_memory_is_said_with_what_helps(world: World) -> None:
    """The look fails, so the heartbeat stops; it does not begin anew by itself."""
    path = world.layout.parity / NAME / "waiting.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"torn")
    assert world.look().failures == 1
    assert world.said[0].endswith("expected what parity left there; without it the log is read anew")


def test_the_worst_rows_are_kept_once_and_bounded(world: World, tmp_path: Path) -> None:
    """Each with its feature; told again it takes the place of the one before; the oldest go."""
    world.answer = lambda records: report_of(records, different=2)
    world.log([new_id() for _ in range(5)])
    assert world.look().rows[READ][ParityOutcome.DIFFERENT] == 2
    path = world.layout.parity / NAME / "worst.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["feature"] for line in lines] == [READ] * 2 + ["prediction:served"] * 2 + ["prediction:offline"] * 2
    assert lines[0] | {"time": "2013-05-01T12:00:00+00:00", "served": 2.0, "offline": 1.0} == lines[0]
    records = pa.Table.from_pylist([{"prediction_id": new_id()} for _ in range(KEPT_LINES)], schema=PREDICTION_SCHEMA)
    for _ in range(2):
        keep_worst(KeptFile(path), [report_of(records, different=KEPT_LINES)], "later")
    assert len(path.read_text().splitlines()) == KEPT_LINES


def found_of(failures: int, equal: int = 0, different: int = 0, unknown: int = 0) -> Found:
    outcomes = NONE | {
        ParityOutcome.EQUAL: equal,
        ParityOutcome.DIFFERENT: different,
        ParityOutcome.UNKNOWN: unknown,
    }
    return Found(models=(FoundModel(model=NAME, rows={READ: outcomes}, failures=failures, waiting=3, dropped=1),))


def test_the_heartbeat_stops_with_the_first_look_that_fails() -> None:
    """It goes on between looks, and begins again with a good one; a look that cannot be made at all stops it too."""
    answers: list[Any] = [found_of(0), found_of(1), ShipwayError("no child"), found_of(0)]
    now, said = [0.0], list[str]()

    def next_look() -> Found:
        found = answers.pop(0)
        if isinstance(found, ShipwayError):
            raise found
        return found

    rounds = Rounds(next_look, 300.0, said.append, lambda: now[0])
    beats: list[float | None] = []
    for moment in (0, 100, 299, 300, 330, 360, 400, 420):
        now[0] = moment
        beats.append(rounds.round().finished_seconds)
    # The good look at 0 holds until 300; then one fails, a minute later another, and a minute later one is good.
    assert beats == [0, 100, 299, 299, 299, 299, 299, 420]
    assert said == ["no child"]


def test_the_page_counts_what_was_compared() -> None:
    """From zero on; unknown rows are in no sum, and there is no heartbeat before the first good look.

    A look that cannot have what was counted so far takes nothing back.
    """
    lost = FoundModel(model=NAME, rows={}, failures=1, waiting=0, dropped=0)
    looks = [found_of(1), found_of(1, equal=5, different=2, unknown=9), Found(models=(lost,))]
    now = iter(range(0, 10_000, 1000))
    rounds, measures = Rounds(lambda: looks.pop(0), 300.0, print, lambda: float(next(now))), Measures()
    assert generate_latest(measures.registry) == b""
    measures.show(rounds.round())

    def value(name: str, **labels: str) -> float | None:
        return measures.registry.get_sample_value(name, {"model": NAME, **labels})

    assert value(PARITY_DIFFERENT_TOTAL, feature=READ) == 0
    assert measures.registry.get_sample_value(HEARTBEAT_TIMESTAMP_SECONDS, {"job": "parity"}) is None
    measures.show(rounds.round())
    assert value(PARITY_COMPARED_TOTAL, feature=READ) == 7
    assert value(PARITY_DIFFERENT_TOTAL, feature=READ) == 2
    assert value(PARITY_ROWS_TOTAL, feature=READ, outcome="unknown") == 9
    assert value("shipway_parity_failures_total") == 2
    assert value("shipway_parity_dropped_total") == 2
    assert value("shipway_parity_waiting_predictions") == 3
    measures.show(rounds.round())
    assert value(PARITY_COMPARED_TOTAL, feature=READ) == 7
    assert value("shipway_parity_failures_total") == 3
    assert value("shipway_parity_waiting_predictions") == 3


def test_the_newest_day_is_looked_at_unless_a_time_is_given(world: World) -> None:
    """The command's stretch of event time, and as many of its predictions as were asked for."""
    from shipway.logs.sources import LocalSource

    source = LocalSource(world.layout.predictions / NAME)
    with pytest.raises(
        ShipwayError, match="no prediction was logged, expected some; `shipway replay MODEL` makes some"
    ):
        stretch(source, None, None)
    world.log([new_id() for _ in range(9)])
    world.log([new_id()], at=NOON - timedelta(days=3))
    start, end = stretch(source, None, None)
    assert (start, end) == (NOON - timedelta(hours=25), NOON - timedelta(hours=1))
    kept, logged = sample(source, start, end, 4)
    assert (kept.num_rows, logged) == (4, 9)
    assert sample(source, start, end, 4)[0].equals(kept)
    with pytest.raises(ShipwayError, match="choose another time with --since and --until"):
        sample(source, NOON, NOON + timedelta(hours=1), 4)
    assert chosen(kept, 1.0).num_rows == 4
