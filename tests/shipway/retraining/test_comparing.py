"""Challenger against champion."""

import numpy as np
import pandas as pd
import pytest

from shipway.contract.documents import parse
from shipway.contract.model import GateSpec, ModelSpec
from shipway.retraining.comparing import Answers, compare, compare_segments
from shipway.training.plan import Task
from tests.shipway.labels.logs import MODEL

AUC = GateSpec(metric="auc", minimum=0.99, champion_tolerance=0.02)


def spec(**retraining: object) -> ModelSpec:
    gates = [AUC.model_dump(mode="json")]
    document = MODEL | {"segments": ["origin"], "retraining": retraining, "evaluation": {"gates": gates}}
    return parse(ModelSpec, document, "model.yaml")


def answers(rows: int = 3000, bad_segment: str = "", share: float = 0.3, noise: float = 0.0) -> Answers:
    """Both versions know the truth equally well; in `bad_segment` the challenger answers at random."""
    rng = np.random.default_rng(7)
    truth = rng.random(rows)
    labels = (rng.random(rows) < truth).astype(float)
    origin = np.where(rng.random(rows) < share, "JFK", "EWR")
    mine = truth + noise * rng.normal(size=rows)
    mine = np.where(origin == bad_segment, rng.random(rows), mine)
    return Answers("traffic", pd.DataFrame({"origin": origin}), labels, np.clip(mine, 0, 1), truth)


def verdicts(given: Answers, model: ModelSpec) -> dict[str, bool | None]:
    found = compare_segments(Task.BINARY, model, given, np.random.default_rng(1))
    return {one.where: one.passed for one in found}


def test_only_the_comparison_of_a_gate_is_put_up_again() -> None:
    """The minimum is of the validation rows; both numbers are in the sentence."""
    [found] = compare(Task.BINARY, [AUC, GateSpec(metric="log_loss", maximum=0.0)], answers())
    assert found.passed
    assert found.said.startswith("passed: auc is 0.")
    assert "(champion 0." in found.said
    [worse] = compare(Task.BINARY, [AUC], answers(noise=2.0))
    assert worse.passed is False


def test_a_segment_given_up_is_found_behind_a_good_average() -> None:
    """The average passes with room, the one segment is named and fails."""
    given = answers(bad_segment="JFK", share=0.1)
    assert [
        one.passed for one in compare(Task.BINARY, [AUC.model_copy(update={"champion_tolerance": 0.05})], given)
    ] == [True]
    assert verdicts(given, spec()) == {"traffic, origin EWR": True, "traffic, origin JFK": False}


def test_chance_alone_refuses_no_segment() -> None:
    """Versions that differ by noise alone pass in every segment, in 12 draws."""
    model, failed = spec(minimum_segment_rows=50), 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        truth = rng.random(600)
        labels = (rng.random(600) < truth).astype(float)
        mine, theirs = (np.clip(truth + 0.1 * rng.normal(size=600), 0, 1) for _ in range(2))
        rows = pd.DataFrame({"origin": rng.choice(["EWR", "JFK", "LGA", "SWF"], 600)})
        found = compare_segments(Task.BINARY, model, Answers("t", rows, labels, mine, theirs), rng)
        failed += any(one.passed is False for one in found)
    assert failed <= 1


def test_a_small_segment_is_named_and_not_judged() -> None:
    """Too few rows are no evidence, neither way."""
    found = compare_segments(Task.BINARY, spec(), answers(rows=300, share=0.2), np.random.default_rng(1))
    [few] = [one for one in found if one.where == "traffic, origin JFK"]
    assert few.passed is None
    assert few.said == "not judged: expected at least 200 rows"


def test_a_floor_of_its_own_holds_whatever_the_champion_does() -> None:
    """A minimum for every segment fails where both are bad."""
    floors = [{"metric": "auc", "minimum": 0.95}]
    found = compare_segments(Task.BINARY, spec(floors=floors), answers(), np.random.default_rng(1))
    assert [one.passed for one in found] == [False, False]
    assert found[0].said.startswith("failed: auc is 0.")
    assert found[0].said.endswith("expected at least 0.9500")


def test_rows_with_one_label_are_not_judged() -> None:
    """There is no AUC without both."""
    given = answers(rows=500)
    alone = Answers("t", given.rows, np.zeros(500), given.challenger, given.champion)
    assert [one.passed for one in compare(Task.BINARY, [AUC], alone)] == [None]
    assert set(verdicts(alone, spec(minimum_segment_rows=1)).values()) == {None}


def test_the_same_rows_give_the_same_verdict() -> None:
    """Resampling is seeded by whoever asks."""
    given = answers()
    assert verdicts(given, spec()) == verdicts(given, spec())


def test_a_gate_on_a_metric_that_is_not_there_is_no_pass() -> None:
    """It raises; the training's own gates refuse it before, naming the metrics there are."""
    with pytest.raises(KeyError):
        compare(Task.MULTICLASS, [AUC], answers())


def numbers(worse_by: float = 0.0, bad_segment: str = "", rows: int = 2000) -> Answers:
    """Both versions miss a number of deviation 20 by about 8; the challenger by more, everywhere or in one segment."""
    rng = np.random.default_rng(3)
    labels = rng.normal(100, 20, rows)
    origin = np.where(rng.random(rows) < 0.2, "JFK", "EWR")
    mine, theirs = (labels + rng.normal(0, 10, rows) for _ in range(2))
    mine = mine + worse_by * rng.choice([-1, 1], rows) * np.where(origin == bad_segment, 3, 1)
    return Answers("traffic", pd.DataFrame({"origin": origin}), labels, mine, theirs)


@pytest.mark.parametrize(("metric", "tolerance"), [("mae", 1.0), ("rmse", 1.0), ("r2", 0.02)])
def test_a_regression_is_compared_in_its_own_unit(metric: str, tolerance: float) -> None:
    """An error grows and an R2 falls as a version gets worse: neither direction passes for the other."""
    gates = [GateSpec(metric=metric, champion_tolerance=tolerance)]
    assert [one.passed for one in compare(Task.REGRESSION, gates, numbers())] == [True]
    assert [one.passed for one in compare(Task.REGRESSION, gates, numbers(worse_by=8))] == [False]
    document = MODEL | {"segments": ["origin"], "evaluation": {"gates": [gates[0].model_dump(mode="json")]}}
    model = parse(ModelSpec, document, "model.yaml")
    given = numbers(worse_by=5, bad_segment="JFK")
    found = compare_segments(Task.REGRESSION, model, given, np.random.default_rng(1))
    assert {one.where: one.passed for one in found}["traffic, origin JFK"] is False
    same = compare_segments(Task.REGRESSION, model, numbers(), np.random.default_rng(1))
    assert [one.passed for one in same] == [True, True]
