"""What late labels say of both versions, from the series of one question."""

import pytest

from shipway.contract import metrics
from shipway.contract.evidence import Judgement, QualityDrop, Sample
from shipway.contract.metrics import Slot
from shipway.delivery.drops import greatest_drop, with_drops
from shipway.delivery.evidence.gate import NoEvidence
from shipway.delivery.looking import Seen, selector
from shipway.delivery.prometheus import Series
from shipway.labels.measures import Measures, Reading
from tests.shipway.delivery.test_looking import ASKED
from tests.shipway.labels.test_quality import World

CANDIDATE, LIVE = ASKED.versions[Slot.GREEN], ASKED.versions[Slot.BLUE]


def drop(version: str, metric: str, ratio: float, **more: str) -> Series:
    labels = {"model": "digits", "version": version, "metric": metric, "job": "labels", "instance": "labels"}
    return Series(metrics.QUALITY_DROP_BESIDE_RATIO, labels | more, ratio, 5.0)


def limit(ratio: float = 0.05, **more: str) -> Series:
    labels = {"model": "digits", "job": "labels", "instance": "labels"}
    return Series(metrics.QUALITY_DROP_LIMIT_RATIO, labels | more, ratio, 5.0)


def test_each_slot_gets_what_is_said_of_its_version() -> None:
    """The metric that has dropped farthest counts, of this model, over all requests."""
    series = [
        drop(CANDIDATE, "accuracy", 0.02),
        drop(CANDIDATE, "auc", 0.07),
        drop(CANDIDATE, "auc", 0.5, segment="origin=EWR"),
        drop(CANDIDATE, "auc", 0.6, model="other"),
        drop(LIVE, "auc", 0.01),
        drop("c" * 12, "auc", 0.9),
        limit(),
        limit(0.9, model="other"),
    ]
    seen = with_drops(ASKED, Seen({}, Sample()), series)
    assert isinstance(seen.look, Sample)
    assert seen.look.candidate_drop == QualityDrop(metric="auc", drop_ratio=0.07, limit_ratio=0.05)
    assert seen.look.live_drop == QualityDrop(metric="auc", drop_ratio=0.01, limit_ratio=0.05)
    assert seen.look.candidate_drop.beyond
    assert not seen.look.live_drop.beyond


@pytest.mark.parametrize(
    "series",
    [
        [],
        [drop(CANDIDATE, "auc", 0.9)],
        [limit()],
        [drop(CANDIDATE, "auc", float("nan")), limit()],
        [drop(CANDIDATE, "auc", float("inf")), limit()],
        [drop(CANDIDATE, "auc", 0.9), limit(float("nan"))],
        [drop(CANDIDATE, "auc", 0.9), limit(), limit(0.2, instance="another")],
        [drop(CANDIDATE, "auc", 0.9, job="models"), limit()],
    ],
)
def test_what_cannot_be_read_says_nothing(series: list[Series]) -> None:
    """No limit, two limits, a number that is none, or another job's series: nothing is known, and nothing is proved."""
    assert greatest_drop(ASKED, Slot.GREEN, series) is None


def test_a_look_without_evidence_stays_one() -> None:
    """What labels say does not make up for counters that could not be read."""
    seen = Seen({}, NoEvidence(Judgement.ERROR, "it is there twice"))
    assert with_drops(ASKED, seen, [drop(CANDIDATE, "auc", 0.9), limit()]) is seen


def test_the_one_question_asks_for_them_too() -> None:
    """Overall alone: what is said of segments would be a hundred series a model."""
    asked = selector([ASKED])
    assert f"|{metrics.QUALITY_DROP_BESIDE_RATIO}|{metrics.QUALITY_DROP_LIMIT_RATIO}" in asked
    assert ',segment="",' in asked


def test_a_bad_day_for_every_version_asks_for_no_rollback() -> None:
    """From the page of the labels process: worse than it was evaluated at is told to people, and takes nobody back."""
    world = World({version: {"accuracy": 0.9, "auc": 0.95} for version in (LIVE, CANDIDATE)})
    for version in (LIVE, CANDIDATE):
        world.serve(0, version, 0.9)
    world.serve(1, CANDIDATE, 0.55)
    page = Measures()
    page.show(Reading(0.0, assessed={"digits": world.assess()}))
    series = [
        Series(one.name, {**one.labels, "job": "labels", "instance": "labels"}, one.value, 5.0)
        for family in page.registry.collect()
        for one in family.samples
    ]
    told = [one for one in series if one.name == metrics.QUALITY_DROP_RATIO and not one.labels["segment"]]
    assert {one.labels["version"] for one in told if one.value > 0.2} == {CANDIDATE}
    found = greatest_drop(ASKED, Slot.GREEN, series)
    assert found is not None
    assert not found.beyond
