"""What labels say of a model: windows, segments, references, drops, and the verdicts written of them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.documents import parse
from shipway.contract.model import MOST_LABEL_DELAY_SECONDS, ModelSpec
from shipway.labels.quality import Assessment, Quality, _equally_many, assess
from shipway.labels.sample import DAY_SECONDS, Batch, Sample
from shipway.labels.verdicts import Verdicts
from shipway.labels.watched import Watched, watched
from tests.shipway.labels.logs import MODEL

SPEC = parse(
    ModelSpec,
    MODEL
    | {
        "labels": {"delay_seconds": 86_400, "wrong_beyond": 0.5},
        "segments": ["origin"],
        "evaluation": {"gates": [{"metric": "auc", "minimum": 0.5}, {"metric": "calibration_error", "maximum": 1}]},
    },
    "model.yaml",
)
FIRST = 15_700


class World:
    """A model whose predictions and labels are made up."""

    def __init__(
        self,
        evaluations: Mapping[str, Mapping[str, float]] | None = None,
        *,
        delay_seconds: float = SPEC.labels.delay_seconds,
        **limits: int,
    ) -> None:
        self.model = replace(watched(SPEC, evaluations or {}), delay_seconds=delay_seconds)
        self.sample = Sample(self.model.segments, self.model.days_kept, **limits)
        self._chance = np.random.default_rng(5)

    def serve(
        self, day: int, version: str, right_ratio: float, count: int = 2000, origin: str = "JFK", labelled: float = 1.0
    ) -> None:
        """Adds a day's predictions, of which a share is right, and the labels of a share of them."""
        keys = self._chance.integers(1, 2**64 - 1, count, dtype=np.uint64)
        predictions = self._chance.random(count)
        right = self._chance.random(count) < right_ratio
        labels = np.where(right, predictions > 0.5, predictions <= 0.5).astype(float)
        seconds = (FIRST + day) * DAY_SECONDS + np.sort(self._chance.random(count)) * DAY_SECONDS
        self.sample.add_predictions(Batch(keys, predictions, seconds, [version] * count, [[origin] * count]))
        known = self._chance.random(count) < labelled
        self.sample.add_labels(keys[known], labels[known])

    def assess(self) -> Assessment:
        return assess(self.model, self.sample)


def one(found: Assessment, metric: str, window: str = "week", version: str = "v", segment: str = "") -> Quality:
    """Returns the one quality that is meant; of days the newest."""
    return [
        each
        for each in found.quality
        if (each.metric, each.window.name, each.version, each.segment) == (metric, window, version, segment)
    ][-1]


def test_nothing_is_said_of_nothing() -> None:
    """A model that was never asked, or whose labels are few, has no quality, and that is no drop either."""
    world = World()
    assert world.assess().quality == ()
    world.serve(0, "v", 0.9, count=150)
    assert (world.assess().quality, world.assess().drops()) == ((), {})


def test_quality_is_that_of_the_window() -> None:
    """The week begins with the seven days whose labels are due, each day its own; older ones are in no week."""
    world = World()
    world.serve(0, "v", 0.5)
    world.serve(7, "v", 0.9)
    world.serve(8, "v", 0.7)
    found = world.assess()
    week = one(found, "accuracy")
    assert week.estimate.value == pytest.approx(0.8, abs=0.02)
    assert week.estimate.low < week.estimate.value < week.estimate.high
    assert (week.labelled, week.window.start[:10], week.window.end[:10]) == (4000, "2012-12-27", "2013-01-04")
    assert one(found, "accuracy", "day").estimate.value == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize("delay_days", [0, 3, 10, MOST_LABEL_DELAY_SECONDS // DAY_SECONDS])
def test_labels_that_take_weeks_are_looked_at_when_they_are_due(delay_days: int) -> None:
    """However long they take, the newest seven days whose labels are due are a week, with its segments and coverage."""
    world = World(delay_seconds=delay_days * DAY_SECONDS)
    last = delay_days + 8
    for day in range(last + 1):
        for origin, right in (("JFK", 0.9), ("EWR", 0.2)):
            world.serve(day, "v", right, 500, origin, labelled=float(day <= last - delay_days))
    found = world.assess()
    # The newest moment is late in the last day, so a moment as late in the last due day is due.
    assert one(found, "accuracy").labelled == 7 * 2 * 500
    assert one(found, "accuracy", segment="origin=EWR").estimate.value == pytest.approx(0.2, abs=0.05)
    coverage = found.coverage["v"]
    assert coverage.labelled == coverage.due
    assert coverage.due >= 7 * 2 * 500


def test_versions_and_segments_are_apart() -> None:
    """What one carrier or one version does is not hidden in the whole."""
    world = World()
    world.serve(1, "v", 0.9, origin="JFK")
    world.serve(1, "v", 0.6, origin="EWR")
    world.serve(2, "w", 0.8)
    found = world.assess()
    assert one(found, "accuracy", segment="origin=JFK").estimate.value == pytest.approx(0.9, abs=0.03)
    assert one(found, "accuracy", segment="origin=EWR").estimate.value == pytest.approx(0.6, abs=0.03)
    assert one(found, "accuracy", version="w").estimate.value == pytest.approx(0.8, abs=0.03)


def test_a_drop_is_told_against_the_evaluation() -> None:
    """A version evaluated at an AUC that its labels deny has dropped; one that keeps it has not."""
    for right, dropped in ((0.95, False), (0.7, True)):
        world = World({"v": {"auc": 0.95, "accuracy": 0.95}})
        world.serve(0, "v", right)
        found = world.assess()
        assert (one(found, "auc").against, one(found, "auc").reference) == ("evaluation", 0.95)
        assert (found.drops()["v", "", "auc"] >= 0.05) is dropped
        assert (found.drops()["v", "", "accuracy"] >= 0.05) is dropped


def test_without_an_evaluation_the_version_before_is_the_reference() -> None:
    """And the first version has none; a metric that no gate names is shown and never judged."""
    world = World()
    world.serve(0, "v", 0.95)
    world.serve(1, "w", 0.7)
    found = world.assess()
    assert one(found, "accuracy").reference is None
    later = one(found, "accuracy", version="w")
    assert (later.against, later.reference) == ("v", one(found, "accuracy").estimate.low)
    assert later.drop_ratio == pytest.approx(1 - later.estimate.high / one(found, "accuracy").estimate.low)
    assert found.drops()["w", "", "accuracy"] > 0.15
    assert one(found, "accuracy", version="w", segment="origin=JFK").against == "v"
    assert {each.metric for each in found.quality if each.reference is not None} == {"accuracy", "auc"}
    assert {each.metric for each in found.quality} == {"accuracy", "auc", "brier", "calibration_error", "log_loss"}


def test_a_bad_day_for_everybody_is_no_drop() -> None:
    """A version whose share grew just when it became hard to be right is compared in those hours alone."""
    world = World()
    for day, right, mine in ((0, 0.9, 20), (1, 0.9, 100), (2, 0.55, 2000)):
        world.serve(day, "v", right, count=2000)
        world.serve(day, "w", right, count=mine)
    found = world.assess()
    assert one(found, "accuracy").estimate.value > one(found, "accuracy", version="w").estimate.value + 0.15
    assert one(found, "accuracy", version="w").against == "v"
    assert found.drops()["w", "", "accuracy"] == 0


@given(seed=st.integers(0, 10_000), rows=st.integers(0, 60))
def test_equally_many_rows_of_each_hour_are_the_first_ones(seed: int, rows: int) -> None:
    """Of each hour as many of the one as of the other, and none while an earlier one is left."""
    chance = np.random.default_rng(seed)
    seconds, owner = chance.integers(0, 5, rows) * 3600.0 + chance.random(rows), chance.integers(0, 3, rows)
    masks = (owner == 0, owner == 1)
    for mask, chosen in zip(masks, _equally_many(seconds, *masks), strict=True):
        for hour in range(5):
            here = seconds // 3600 == hour
            count = min(np.count_nonzero(one & here) for one in masks)
            assert np.flatnonzero(chosen & here).tolist() == np.flatnonzero(mask & here)[:count].tolist()
        assert not (chosen & ~mask).any()


def test_a_worse_version_is_found_in_the_same_hours() -> None:
    """Also on a day that is bad for both."""
    world = World()
    for day in range(3):
        world.serve(day, "v", 0.8)
        world.serve(day, "w", 0.6)
    assert world.assess().drops()["w", "", "accuracy"] > 0.1


EVALUATED = {version: {"accuracy": 0.9, "auc": 0.95} for version in "vw"}


def test_a_bad_day_takes_no_version_back_though_it_was_evaluated() -> None:
    """Each version is worse than its evaluation then, which is told; none is worse than the one before it."""
    world = World(EVALUATED)
    for version in "vw":
        world.serve(0, version, 0.9)
    # Promoted: it answers alone, on a day on which every version would be wrong as often.
    world.serve(1, "w", 0.55)
    found = world.assess()
    assert found.drops()["w", "", "accuracy"] > 0.2
    assert found.drops_beside()["w", "", "accuracy"] == 0
    assert one(found, "accuracy", "day", version="w").beside_ratio is None


def test_a_worse_version_is_worse_beside_the_one_before_whatever_it_was_evaluated_at() -> None:
    """In the hours of the rollout both answered: their labels prove it, also when they come days later."""
    world = World(EVALUATED)
    world.serve(0, "v", 0.9)
    world.serve(0, "w", 0.7)
    world.serve(1, "w", 0.7)
    assert world.assess().drops_beside()["w", "", "accuracy"] > 0.1
    assert ("v", "", "accuracy") not in world.assess().drops_beside()


def test_without_common_hours_nothing_says_which_version_is_worse() -> None:
    """Neither against an evaluation nor against what the version before did in its own time."""
    for evaluations in (None, EVALUATED):
        world = World(evaluations)
        world.serve(0, "v", 0.95)
        world.serve(1, "w", 0.6)
        assert world.assess().drops()["w", "", "accuracy"] > 0.15
        assert world.assess().drops_beside() == {}


def test_a_segment_is_held_against_the_same_segment() -> None:
    """An airport that is hard for both is no drop there."""
    world = World()
    for version in ("v", "w"):
        world.serve(0, version, 0.95, origin="JFK", count=3000)
        world.serve(0, version, 0.6, origin="EWR", count=3000)
    found = world.assess()
    assert one(found, "accuracy", version="w", segment="origin=EWR").drop_ratio == 0
    assert one(found, "accuracy", version="w", segment="origin=EWR").reference == pytest.approx(0.6, abs=0.06)


def test_a_day_alone_is_not_held_against_other_days() -> None:
    """Where the version before did not answer on it, only a whole week can tell."""
    world = World()
    world.serve(0, "v", 0.95)
    world.serve(1, "w", 0.6)
    found = world.assess()
    assert one(found, "accuracy", "day", version="w").drop_ratio is None
    assert one(found, "accuracy", "week", version="w").drop_ratio is not None


def test_noise_is_no_drop() -> None:
    """Of 100 versions that are as good as their evaluation none is called worse, however often one looks."""
    told = 0
    for seed in range(100):
        world = World({"v": {"accuracy": 0.8}})
        world._chance = np.random.default_rng(seed)
        for _ in range(5):
            world.serve(0, "v", 0.8, count=120)
            told += world.assess().drops().get(("v", "", "accuracy"), 0.0) > 0
    assert told == 0


def test_coverage_counts_what_is_old_enough() -> None:
    """A prediction of an hour ago owes no label yet; one older than the delay does."""
    world = World()
    world.serve(0, "v", 0.9, labelled=0.5)
    world.serve(2, "v", 0.9, count=100, labelled=0.0)
    covered = world.assess().coverage["v"]
    assert covered.due == 2000
    assert covered.labelled / covered.due == pytest.approx(0.5, abs=0.04)


def test_a_thinned_out_sample_says_so_and_is_less_sure() -> None:
    """Its share is told, and its interval is wider than its size alone would make it."""
    full, thin = World(), World(day_records=1000)
    for world in (full, thin):
        world.serve(0, "v", 0.8, count=6000)
    assert full.assess().sampled_ratio == 1
    assert thin.assess().sampled_ratio == 1 / 8
    wide, narrow = (one(world.assess(), "accuracy").estimate for world in (thin, full))
    assert wide.low <= narrow.value <= wide.high
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def dropped_and_held() -> tuple[Watched, Assessment]:
    world = World({"v": {"accuracy": 0.9}, "w": {"accuracy": 0.7}})
    world.serve(0, "w", 0.7)
    world.serve(1, "v", 0.6)
    world.serve(3, "v", 0.9, count=300)
    return world.model, world.assess()


def test_each_verdict_is_written_once_also_over_a_restart(tmp_path: Path) -> None:
    """A drop when it is certain, a day that held once its labels are in; then nothing more."""
    path, (model, assessment) = tmp_path / "m" / "quality.jsonl", dropped_and_held()
    verdicts = Verdicts(path)
    written = verdicts.add(model, assessment, "now")
    judged = [line for line in lines(path) if line["metric"] == "accuracy" and not line["segment"]]
    assert written == len(lines(path))
    assert [(line["version"], line["status"], dict(line["window"])["name"]) for line in judged] == [  # type: ignore[call-overload]
        ("v", "dropped", "week"),
        ("w", "stable", "day"),
        ("v", "dropped", "day"),
    ]
    drop = judged[0]
    assert (drop["kind"], drop["time"], drop["reference"], drop["threshold"]) == ("quality", "now", 0.9, 0.05)
    assert (verdicts.add(model, assessment, "later"), Verdicts(path).add(model, assessment, "later")) == (0, 0)


def test_half_a_line_of_a_dead_process_is_written_again(tmp_path: Path) -> None:
    """What it had begun is passed over, and every later line is whole."""
    path, (model, assessment) = tmp_path / "quality.jsonl", dropped_and_held()
    count = Verdicts(path).add(model, assessment, "now")
    path.write_bytes(path.read_bytes()[:-20])
    assert Verdicts(path).add(model, assessment, "again") == 1
    assert len(path.read_text().splitlines()) == count + 1
    assert lines_that_are_whole(path) == count


def lines_that_are_whole(path: Path) -> int:
    return sum(line.endswith("}") for line in path.read_text().splitlines())


def test_the_file_is_bounded(tmp_path: Path) -> None:
    """Beyond its greatest length the older half goes, the newest verdicts stay."""
    path, (model, assessment) = tmp_path / "quality.jsonl", dropped_and_held()
    verdicts = Verdicts(path, most_bytes=6000)
    for number in range(30):
        renamed = tuple(replace(each, version=f"v{number}") for each in assessment.quality)
        verdicts.add(model, replace(assessment, quality=renamed), "now")
    assert path.stat().st_size <= 9000
    assert lines(path)[-1]["version"] == "v29"


@pytest.mark.parametrize(("missed_by", "dropped"), [(10.0, False), (16.0, True)])
def test_a_regression_drops_against_its_evaluation(missed_by: float, dropped: bool) -> None:
    """A number that misses by more than it was evaluated to is told by its error and by its R2."""
    gates = [{"metric": "mae", "maximum": 9.0}, {"metric": "r2", "minimum": 0.5}]
    document = MODEL | {"labels": {"delay_seconds": 86_400, "wrong_beyond": 15.0}, "evaluation": {"gates": gates}}
    # Labels of deviation 20 that are missed by 10.
    evaluated = {"v": {"mae": 10 * (2 / np.pi) ** 0.5, "r2": 0.8, "rmse": 10.0}}
    model = watched(parse(ModelSpec, document, "model.yaml"), evaluated)
    sample = Sample(model.segments, model.days_kept)
    chance = np.random.default_rng(9)
    keys = chance.integers(1, 2**64 - 1, 4000, dtype=np.uint64)
    predictions = chance.normal(100, 20, 4000)
    seconds = np.full(4000, FIRST * DAY_SECONDS + 60.0)
    sample.add_predictions(Batch(keys, predictions, seconds, ["v"] * 4000, []))
    sample.add_labels(keys, predictions + chance.normal(0, missed_by, 4000))
    found = assess(model, sample)
    assert one(found, "rmse").estimate.value == pytest.approx(missed_by, rel=0.05)
    assert {metric for _, _, metric in found.drops()} == {"mae", "r2"}
    assert (found.drops()["v", "", "mae"] >= 0.05) is dropped
    assert (found.drops()["v", "", "r2"] >= 0.05) is dropped
