"""Fairness by segment: a gap that is certain fails, one that may be chance is undecided, and no gap passes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shipway.checks.fairness import Group, check_fairness, compare_groups
from shipway.checks.finding import Finding, Status
from shipway.checks.intervals import difference_interval, ratio_interval, wilson_interval
from shipway.contract.check import FairnessSpec
from shipway.training.plan import Task
from tests.shipway.checks.loans import facts_of, labelled, of, rows_of, spec_of, statuses

SPEC = FairnessSpec()


def drawn(rates: Mapping[str, float], rows: int, seed: int = 3) -> tuple[list[Group], Any, Any]:
    """Returns groups whose share of yes is `rates`, their labels, and answers of which nine in ten are right."""
    draw = np.random.default_rng(seed)
    names = np.repeat(list(rates), rows)
    chosen = draw.random(len(names)) < np.repeat(list(rates.values()), rows)
    right = draw.random(len(names)) < 0.9
    answers = np.where(chosen, 0.7, 0.3) + draw.uniform(-0.1, 0.1, len(names))
    labels = np.where(right, chosen, ~chosen).astype(float)
    return [Group(name, names == name) for name in rates], labels, answers


def found(rates: Mapping[str, float], rows: int, spec: FairnessSpec = SPEC) -> list[Finding]:
    return list(compare_groups(Task.BINARY, spec, *drawn(rates, rows)))


def test_equal_segments_pass() -> None:
    """Four thousand rows each decide every comparison."""
    told = found({"a": 0.5, "b": 0.5, "c": 0.5}, 4000)
    assert {one.status for one in told} == {Status.PASSED}
    assert len(told) == 2 + 3 + 3


def test_a_segment_that_is_told_yes_half_as_often_fails() -> None:
    """The ratio of both rates is named with its interval and four fifths."""
    finding = of(found({"a": 0.6, "b": 0.3}, 2000), "b, selection ratio")
    assert (finding.status, finding.bound) == (Status.FAILED, 0.8)
    assert finding.value == pytest.approx(0.5, abs=0.05)
    assert "yes to" in finding.sentence
    assert "expected at least 0.8" in finding.sentence


def test_a_small_sample_decides_nothing() -> None:
    """The same rates on a tenth of what is needed are no verdict either way."""
    told = found({"a": 0.5, "b": 0.42}, 210)
    assert of(told, "b, selection ratio").status is Status.UNDECIDED


def test_a_ratio_that_is_just_allowed_is_rarely_refused() -> None:
    """Of two hundred samples of segments whose true ratio is the bound, no more fail than alpha allows."""
    spec = FairnessSpec(true_positive_gap_ratio=None, metric_gap_ratio=None)
    failed = 0
    for seed in range(200):
        told = compare_groups(Task.BINARY, spec, *drawn({"a": 0.5, "b": 0.4}, 400, seed))
        failed += any(one.status is Status.FAILED for one in told)
    assert failed <= 200 * spec.alpha


def test_a_segment_whose_true_cases_are_missed_fails() -> None:
    """Equality of opportunity: a third of b's true cases are not told, none of the others' is."""
    draw = np.random.default_rng(5)
    names = np.repeat(["a", "b"], 3000)
    labels = (draw.random(len(names)) < 0.5).astype(float)
    missed = (names == "b") & (draw.random(len(names)) < 1 / 3)
    answers = np.where((labels == 1) & ~missed, 0.9, 0.1)
    groups = [Group(name, names == name) for name in "ab"]
    told = list(compare_groups(Task.BINARY, SPEC, groups, labels, answers))
    assert of(told, "b, true positive gap").status is Status.FAILED
    assert of(told, "a, true positive gap").status is Status.PASSED


@pytest.mark.parametrize(
    ("task", "metric"), [(Task.BINARY, "auc"), (Task.MULTICLASS, "accuracy"), (Task.REGRESSION, "mae")]
)
def test_a_segment_that_is_predicted_worse_fails(task: Task, metric: str) -> None:
    """The metric of the task, relative to that of all other rows, in its own direction."""
    draw = np.random.default_rng(6)
    names = np.repeat(["a", "b"], 2000)
    labels = draw.integers(0, 2, len(names)).astype(float)
    blurred = np.where((names == "b") & (draw.random(len(names)) < 0.5), draw.integers(0, 2, len(names)), labels)
    noise = draw.normal(0, 1, len(names))
    answers = {Task.BINARY: np.clip(blurred + noise / 5, 0, 1), Task.MULTICLASS: blurred}.get(
        task, labels + noise * np.where(names == "b", 2, 1)
    )
    groups = [Group(name, names == name) for name in "ab"]
    told = list(compare_groups(task, SPEC, groups, labels, answers))
    assert of(told, f"b, {metric} gap").status is Status.FAILED
    assert of(told, f"a, {metric} gap").status is Status.PASSED


def test_bounds_that_are_null_are_not_looked_at() -> None:
    """A segment that is no group of people has no selection to be fair about."""
    spec = FairnessSpec(selection_ratio=None, true_positive_gap_ratio=None)
    assert [one.subject for one in found({"a": 0.6, "b": 0.3}, 2000, spec)] == ["a, auc gap", "b, auc gap"]


def test_a_segment_with_few_rows_is_named() -> None:
    """And is not compared; with one left there is nothing to compare."""
    groups, labels, answers = drawn({"a": 0.5, "b": 0.5}, 150)
    told = list(compare_groups(Task.BINARY, SPEC, groups, labels, answers))
    assert [one.status for one in told] == [Status.UNDECIDED] * 3
    assert told[0].sentence == "150 labelled rows, expected at least 200 to judge it"


def test_the_segments_of_model_yaml_are_looked_at() -> None:
    """On the larger one of the held-out rows and the frozen set; without segments nothing is."""
    assert statuses(list(check_fairness(facts_of()))) == {"segments": Status.SKIPPED}
    rows = rows_of(4000)
    facts = replace(facts_of(), spec=spec_of(segments=["region"]), frozen=labelled(rows))
    told = list(check_fairness(facts))
    assert {one.subject.partition(",")[0] for one in told} == {"region north", "region south"}
    (lost,) = check_fairness(replace(facts_of(), spec=spec_of(segments=["area"])))
    assert (lost.subject, lost.status) == ("area", Status.FAILED)
    assert lost.sentence == "drawn rows have no such column, expected a field of the request"


def test_an_interval_without_events_is_wide_and_not_none() -> None:
    """No yes among few rows says little, in each of the three."""
    low, high = ratio_interval(0, 20, 10, 20, 1.96)
    assert 0 < low < 0.2
    assert high > 0.3
    assert wilson_interval(0, 0, 1.96) == (0.0, 1.0)
    below, above = difference_interval(0, 10, 10, 10, 1.96)
    assert below < -0.9
    assert above > -0.8
