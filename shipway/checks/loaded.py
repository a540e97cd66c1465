"""Latency and cost checks: what load tests of the same version measured, against a budget and a price; pure."""

from collections.abc import Iterator, Mapping, Sequence

from shipway.checks.finding import Finding, Status
from shipway.contract.check import LATENCY_BUDGETS, LEAST_LATENCY_REQUESTS, CheckName
from shipway.contract.loadtest import LoadTestResult, Profile
from shipway.contract.model import ModelSpec
from shipway.contract.prices import ReplicaPrice
from shipway.contract.release import short_digest

__all__ = ["MEASURED_BY", "check_cost", "check_latency", "usd_per_1000"]

# What measures the evidence of each check of this module.
MEASURED_BY: Mapping[CheckName, Profile] = {CheckName.LATENCY: Profile.LOAD, CheckName.COST: Profile.SCALABILITY}

# Whose percentiles are those of the rate that the model has to stand, the best evidence first.
_LATENCY_PROFILES = (Profile.LOAD, Profile.SOAK, Profile.SMOKE)
# Who searches for the highest rate that meets the objective.
_COST_PROFILES = (Profile.SCALABILITY, Profile.STRESS)

_SECONDS_AN_HOUR = 3600


def usd_per_1000(usd_per_hour: float, predictions_per_second: float) -> float:
    """Returns what a thousand predictions cost, in USD: the hour's price over what is answered in it.

    >>> usd_per_1000(0.36, 100.0)
    0.001
    """
    return usd_per_hour / (predictions_per_second * _SECONDS_AN_HOUR) * 1000


def check_latency(spec: ModelSpec, digest: str, results: Sequence[LoadTestResult]) -> Iterator[Finding]:
    """Yields the percentiles of a load test against the budget of the model's application.

    Args:
        spec: the model.
        digest: the version; results of others count for nothing.
        results: of load tests.
    """
    if spec.application is None:
        yield _latency("budget", Status.SKIPPED, "no `application` is declared, so there is no budget")
        return
    budget = LATENCY_BUDGETS[spec.application]
    if budget.p95_seconds is None or budget.p99_seconds is None:
        yield _latency(str(spec.application), Status.SKIPPED, budget.source)
        return
    result = _best(results, spec.name, digest, _LATENCY_PROFILES)
    if result is None:
        said = _none(spec.name, digest, Profile.LOAD)
        yield _latency(str(spec.application), Status.MISSING, said)
        return
    if result.latency is None or result.requests < LEAST_LATENCY_REQUESTS:
        command = _command(spec.name, digest, Profile.LOAD)
        said = f"{result.requests} requests, expected at least {LEAST_LATENCY_REQUESTS}; {command} sends more"
        yield _latency(str(spec.application), Status.UNDECIDED, said)
        return
    if result.failures > result.objective_error_ratio * result.requests:
        # Who answers only what is quick would be within any budget.
        failed = f"{result.failures} of {result.requests} requests of {result.profile} failed"
        said = f"{failed}, at most {result.objective_error_ratio:.2%} may: the others' percentiles are no evidence"
        yield _latency(str(spec.application), Status.FAILED, said)
        return
    for name, value, bound in (
        ("p95", result.latency.p95, budget.p95_seconds),
        ("p99", result.latency.p99, budget.p99_seconds),
    ):
        yield Finding(
            check=CheckName.LATENCY,
            subject=f"{spec.application}, {name}",
            status=Status.PASSED if value <= bound else Status.FAILED,
            sentence=f"{result.requests} requests of {result.profile} at {result.arrivals_per_second:g}/s",
            value=value,
            bound=bound,
            unit="s",
        )


def check_cost(
    spec: ModelSpec, digest: str, results: Sequence[LoadTestResult], price: ReplicaPrice
) -> Iterator[Finding]:
    """Yields what a thousand predictions cost at the highest rate that met the objective.

    Args:
        spec: the model.
        digest: the version.
        results: of load tests.
        price: of the replica that was measured.
    """
    bound = spec.checks.usd_per_1000_predictions
    result = _best(results, spec.name, digest, _COST_PROFILES)
    # A price that nobody limits is worth a look, and needs no evidence.
    undeclared = "" if bound is not None else "; no checks.usd_per_1000_predictions is declared"
    if result is None:
        status = Status.SKIPPED if bound is None else Status.MISSING
        yield _cost(status, _none(spec.name, digest, Profile.SCALABILITY) + undeclared)
        return
    if result.throughput_at_slo_per_second is None:
        status = Status.SKIPPED if bound is None else Status.FAILED
        yield _cost(status, f"{result.profile} found no rate that meets the objective{undeclared}")
        return
    if price.usd_per_hour is None:
        yield _cost(Status.SKIPPED if bound is None else Status.MISSING, price.how + undeclared)
        return
    value = usd_per_1000(price.usd_per_hour, result.throughput_at_slo_per_second)
    said = (
        f"{price.usd_per_hour:.4f} USD/h a replica ({price.how}) at {result.throughput_at_slo_per_second:g}/s within "
        "the objective"
    )
    status = Status.SKIPPED if bound is None else Status.PASSED if value <= bound else Status.FAILED
    yield Finding(
        check=CheckName.COST,
        subject="1,000 predictions",
        status=status,
        sentence=said + undeclared,
        value=value,
        bound=bound,
        unit="USD",
    )


def _best(
    results: Sequence[LoadTestResult], model: str, digest: str, profiles: Sequence[Profile]
) -> LoadTestResult | None:
    """Returns the newest result of the first profile of which there is a whole one of this version."""
    own = [one for one in results if one.model == model and one.digest == digest and one.whole]
    for profile in profiles:
        fitting = [one for one in own if one.profile is profile]
        if fitting:
            return max(fitting, key=lambda one: one.started_at)
    return None


def _none(model: str, digest: str, profile: Profile) -> str:
    return f"no load test of {short_digest(digest)}; {_command(model, digest, profile)} measures it"


def _command(model: str, digest: str, profile: Profile) -> str:
    return f"`shipway loadtest {model} --digest {digest} --profile {profile}`"


def _latency(subject: str, status: Status, said: str) -> Finding:
    return Finding(check=CheckName.LATENCY, subject=subject, status=status, sentence=said)


def _cost(status: Status, said: str) -> Finding:
    return Finding(check=CheckName.COST, subject="1,000 predictions", status=status, sentence=said)
