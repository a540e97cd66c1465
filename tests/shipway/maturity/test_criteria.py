"""The judgement is pure: every criterion can fail, and the lowest missing one says what comes next."""

from dataclasses import fields, replace
from typing import Any

import pytest

from shipway.maturity.criteria import CRITERIA, LEVELS, State, judge
from shipway.maturity.facts import Facts, Workflow

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
WHOLE = Facts(
    model="churn",
    environment="local",
    bars=("auc at least 0.7",),
    bundles=(ONE, TWO),
    live_since="2026-03-01T00:00:00+00:00",
    promoted="222222222222 at 2026-03-02T00:00:00+00:00",
    reads_features=True,
    compared="services/churn/tests/parity/sample.parquet",
    drift_judged="2026-03-03T00:00:00+00:00",
    quality_judged="2026-03-03T00:00:00+00:00",
    triggers=("on drift",),
    retrainings=("proposed at 2026-03-02T00:00:00+00:00",),
    committed=True,
    tests=("test_service.py",),
    regression_sets=("0123456789ab",),
    workflows=(Workflow(".github/workflows/ci.yml", tests=True, deploys=True),),
    releases={"staging": (ONE, TWO), "prod": (TWO,)},
)

# criterion -> what has to be missing for it to fail.
ABSENT: dict[str, dict[str, Any]] = {
    "trained": {"bundles": ()},
    "gated": {"bars": ()},
    "serves": {"live_since": ""},
    "watched": {"drift_judged": ""},
    "labelled": {"quality_judged": ""},
    "symmetric": {"compared": ""},
    "triggered": {"triggers": ()},
    "retrained": {"retrainings": ()},
    "delivered": {"promoted": ""},
    "controlled": {"committed": False},
    "tested": {"tests": ()},
    "frozen": {"regression_sets": ()},
    "integrated": {"workflows": (Workflow("x.yml", tests=False, deploys=True),)},
    "deployed": {"workflows": (Workflow("x.yml", tests=True, deploys=False),)},
    "released": {"releases": {"staging": ()}},
    "carried": {"releases": {"staging": (ONE,), "prod": (TWO,)}},
}


def test_all_of_it_is_level_two() -> None:
    """Nothing is left to do, and every criterion shows its evidence."""
    found = judge(WHOLE)
    assert (found.level, found.following) == (max(LEVELS), "")
    assert {one.state for one in found.judged} == {State.MET}
    assert all(one.evidence for one in found.judged)


def test_every_criterion_is_tried() -> None:
    """And belongs to a level; they are in the order of the levels."""
    assert list(ABSENT) == [one.name for one in CRITERIA]
    assert [one.level for one in CRITERIA] == sorted(one.level for one in CRITERIA)
    assert {one.level for one in CRITERIA} == set(LEVELS)


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda one: one.name)
def test_what_is_missing_holds_its_level_up(criterion: Any) -> None:
    """The level below it is reached, the evidence says what was not found, and the next step is its remedy."""
    found = judge(replace(WHOLE, **ABSENT[criterion.name]))
    assert found.level == (criterion.level - 1 if criterion.level else None)
    one = next(one for one in found.judged if one.criterion is criterion)
    assert one.state is State.MISSING
    assert one.evidence
    lowest = next(one for one in found.judged if one.state is State.MISSING)
    assert found.following == lowest.remedy
    assert "{" not in found.following


def test_nothing_known_is_no_level() -> None:
    """Missing evidence is never success."""
    found = judge(Facts("churn", "local"))
    assert (found.level, found.following) == (None, "train one: `shipway train churn`")
    assert {one.state for one in found.judged} == {State.MISSING, State.NOT_APPLICABLE}


def test_a_model_without_features_needs_no_parity() -> None:
    """What does not concern it holds nothing up."""
    found = judge(replace(WHOLE, reads_features=False, compared=""))
    assert found.level == 2
    assert [one.criterion.name for one in found.judged if one.state is State.NOT_APPLICABLE] == ["symmetric"]


def test_drift_that_is_off_is_missing() -> None:
    """Old verdicts do not count then; no git at all is said as such."""
    off = next(one for one in judge(replace(WHOLE, drift_enabled=False)).judged if one.criterion.name == "watched")
    assert (off.state, off.evidence) == (State.MISSING, "model.yaml turns drift off")
    bare = next(one for one in judge(replace(WHOLE, committed=None)).judged if one.criterion.name == "controlled")
    assert (bare.state, bare.evidence) == (State.MISSING, "the project is in no git repository")


def test_every_fact_matters() -> None:
    """No fact is gathered that no criterion reads."""
    said = {name for absent in ABSENT.values() for name in absent}
    assert {one.name for one in fields(Facts)} - said == {"model", "environment", "reads_features", "drift_enabled"}
