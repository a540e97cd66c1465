"""Latency and cost by load tests: within passes, too slow or too dear fails, and no load test is never a pass."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shipway.checks.finding import Status, failing
from shipway.checks.loaded import check_cost, check_latency
from shipway.checks.registry import needed
from shipway.contract.check import LATENCY_BUDGETS, Application, CheckName
from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import LatencySeconds, LoadTestResult, Measured, Profile
from shipway.contract.prices import ReplicaPrice
from tests.shipway.checks.loans import spec_of

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PRICE = ReplicaPrice(0.36, "told")


def result(profile: Profile = Profile.LOAD, **more: Any) -> LoadTestResult:
    """Returns a result of 1,000 requests, p95 20 ms and p99 30 ms, that found 100 requests/s."""
    known: dict[str, Any] = {
        "model": "loans",
        "digest": DIGEST,
        "environment": "local",
        "measured": Measured.SLOT,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "duration_seconds": 60.0,
        "arrivals_per_second": 20.0,
        "whole": True,
        "requests": 1000,
        "failures": 0,
        "latency": LatencySeconds(p50=0.01, p90=0.015, p95=0.02, p99=0.03, p999=0.05),
        "objective_latency_seconds": 0.1,
        "objective_quantile": 0.95,
        "objective_error_ratio": 0.01,
        "throughput_at_slo_per_second": 100.0,
        "seed": 1,
        "stages": (),
        "judgement": Judgement.PASS,
        "sentence": "met",
    }
    return LoadTestResult(profile=profile, **(known | more))


def test_a_load_test_within_the_budget_passes() -> None:
    """Both percentiles, with the budget of the application as the bound."""
    p95, p99 = check_latency(spec_of(application="ads"), DIGEST, [result()])
    assert (p95.subject, p95.status, p95.value, p95.bound) == ("ads, p95", Status.PASSED, 0.02, 0.05)
    assert (p99.status, p99.value, p99.bound, p99.unit) == (Status.PASSED, 0.03, 0.08, "s")


def test_quick_answers_to_some_of_the_requests_are_no_evidence() -> None:
    """A version that refuses every second request is not within a budget by the others' percentiles."""
    spec = spec_of(application="ads")
    (found,) = check_latency(spec, DIGEST, [result(failures=500, judgement=Judgement.FAIL)])
    assert found.status is Status.FAILED
    assert found.sentence.startswith("500 of 1000 requests of load failed, at most 1.00% may")
    few = check_latency(spec, DIGEST, [result(failures=10)])
    assert [one.status for one in few] == [Status.PASSED, Status.PASSED]


def test_a_slow_version_fails() -> None:
    """By the percentile that is over."""
    slow = LatencySeconds(p50=0.01, p90=0.015, p95=0.02, p99=0.2, p999=0.3)
    p95, p99 = check_latency(spec_of(application="fraud"), DIGEST, [result(latency=slow)])
    assert (p95.status, p99.status) == (Status.PASSED, Status.FAILED)


@pytest.mark.parametrize(
    "results", [[], [result(digest=OTHER)], [result(whole=False)], [result(Profile.STRESS)], [result(model="other")]]
)
def test_no_load_test_of_the_version_is_missing_and_stops(results: list[LoadTestResult]) -> None:
    """What is of another version, shortened, or past the break point is none; a declared budget needs one."""
    spec = spec_of(application="search")
    (missing,) = check_latency(spec, DIGEST, results)
    assert missing.status is Status.MISSING
    assert f"`shipway loadtest loans --digest {DIGEST} --profile load`" in missing.sentence
    assert failing([missing], needed(spec)) == [missing]


def test_few_requests_decide_nothing() -> None:
    """A 99th percentile of fifty requests is the slowest one."""
    (undecided,) = check_latency(spec_of(application="search"), DIGEST, [result(requests=50)])
    assert undecided.status is Status.UNDECIDED
    assert undecided.sentence.startswith("50 requests, expected at least 200")


def test_without_an_application_there_is_no_budget() -> None:
    """Nothing is declared, so nothing is needed; nor for batches, for which nobody waits."""
    for spec in (spec_of(), spec_of(application="batch")):
        (skipped,) = check_latency(spec, DIGEST, [result()])
        assert skipped.status is Status.SKIPPED
        assert failing([skipped], needed(spec)) == []


@pytest.mark.parametrize("application", Application)
def test_every_application_has_a_budget_with_its_source(application: Application) -> None:
    """The 99th percentile is allowed more than the 95th; what nobody published is called our choice."""
    budget = LATENCY_BUDGETS[application]
    assert len(budget.source) > 20
    if budget.p95_seconds is not None and budget.p99_seconds is not None:
        assert budget.p95_seconds < budget.p99_seconds
        assert "our choice" in budget.source


@pytest.mark.parametrize(("bound", "status"), [(0.002, Status.PASSED), (0.001, Status.PASSED), (0.0009, Status.FAILED)])
def test_the_cost_is_the_price_over_the_throughput(bound: float, status: Status) -> None:
    """0.36 USD an hour at 100 a second is a thousandth of a dollar for a thousand."""
    spec = spec_of(checks={"usd_per_1000_predictions": bound})
    (finding,) = check_cost(spec, DIGEST, [result(Profile.SCALABILITY)], PRICE)
    assert (finding.status, finding.bound, finding.unit) == (status, bound, "USD")
    assert finding.value == pytest.approx(0.001)
    assert "0.3600 USD/h a replica (told) at 100/s" in finding.sentence


def test_a_cost_that_nobody_limits_is_shown() -> None:
    """With its value and no verdict."""
    (finding,) = check_cost(spec_of(), DIGEST, [result(Profile.STRESS)], PRICE)
    assert (finding.status, finding.bound) == (Status.SKIPPED, None)
    assert finding.value == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("results", "price", "status", "words"),
    [
        ([], PRICE, Status.MISSING, "--profile scalability`"),
        ([result(Profile.SCALABILITY, whole=False)], PRICE, Status.MISSING, "no load test of"),
        ([result(Profile.STRESS, throughput_at_slo_per_second=None)], PRICE, Status.FAILED, "found no rate that meets"),
        ([result(Profile.STRESS)], ReplicaPrice(None, "no price of a t9"), Status.MISSING, "no price of a t9"),
    ],
)
def test_a_cost_that_is_not_known_is_no_pass(
    results: list[LoadTestResult], price: ReplicaPrice, status: Status, words: str
) -> None:
    """Without a throughput of one replica, or without its price, a declared bound is not held."""
    spec = spec_of(checks={"usd_per_1000_predictions": 0.01})
    (finding,) = check_cost(spec, DIGEST, results, price)
    assert finding.status is status
    assert words in finding.sentence
    assert failing([finding], needed(spec)) == [finding]


def test_needed_is_what_is_required_or_declared() -> None:
    """A bound in model.yaml is a demand for its evidence."""
    assert needed(spec_of()) == frozenset()
    assert needed(spec_of(application="batch")) == frozenset()
    declared = spec_of(application="chat", checks={"usd_per_1000_predictions": 1.0, "required": ["parity"]})
    assert needed(declared) == {CheckName.LATENCY, CheckName.COST, CheckName.PARITY}
