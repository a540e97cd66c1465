"""Whether a version may be released: the load tests that model.yaml demands of it, and those it has passed. Pure."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import LoadTestResult, LoadTestSpec, Profile
from shipway.contract.release import short_digest
from shipway.contract.tier import Tier

__all__ = ["missing_load_tests", "passed_load_tests"]

_NONE = "there is none"

# A result of a clock that runs ahead is not fresh for ever.
_CLOCK_SKEW = timedelta(minutes=5)

# What answers a lesser question as well: who stands the whole rate for a minute stands half of it for a moment.
_ANSWERED_BY: Mapping[Profile, tuple[Profile, ...]] = {Profile.SMOKE: (Profile.LOAD,)}


def missing_load_tests(
    spec: LoadTestSpec,
    tier: Tier,
    model: str,
    digest: str,
    rate_per_second: float,
    results: Iterable[LoadTestResult],
    now: datetime,
    kept_in: str = "local",
) -> list[str]:
    """Returns one sentence for each load test that a version still lacks, with the command; empty when it may go.

    Args:
        spec: what model.yaml demands.
        tier: where the version is to be released.
        model, digest: the version.
        rate_per_second: what one replica has to stand now; a test at a lower rate is none.
        results: what there is; of other versions too, which count for nothing.
        now: with a time zone.
        kept_in: the environment that keeps the bundle, for the command.
    """
    known = [result for result in results if result.model == model]
    missing: list[str] = []
    for profile in spec.profiles(tier):
        problems = [
            _problem(_newest(known, one, digest), spec, rate_per_second, now)
            for one in (profile, *_ANSWERED_BY.get(profile, ()))
        ]
        if "" in problems:
            continue
        others = {short_digest(one.digest) for one in known if one.profile is profile and one.digest != digest}
        problem = problems[0]
        if problem == _NONE and others:
            problem = f"there is none of {short_digest(digest)}, only of {', '.join(sorted(others))}"
        where = "" if kept_in == "local" else f" --env {kept_in}"
        command = f"shipway loadtest {model} --digest {digest} --profile {profile}{where}"
        missing.append(f"load test {profile}: {problem}; `{command}`")
    return missing


def passed_load_tests(digest: str, results: Iterable[LoadTestResult]) -> tuple[LoadTestResult, ...]:
    """Returns the newest result of each profile of a version, of those whole and passed, without its stages.

    They are what a release leaves in git beside the bundle's other evidence.
    """
    known = list(results)
    newest = (_newest(known, profile, digest) for profile in Profile)
    return tuple(
        one.model_copy(update={"stages": ()})
        for one in newest
        if one is not None and one.whole and one.judgement is Judgement.PASS
    )


def _newest(results: Iterable[LoadTestResult], profile: Profile, digest: str) -> LoadTestResult | None:
    own = (one for one in results if one.profile is profile and one.digest == digest)
    return max(own, key=lambda one: one.started_at, default=None)


def _problem(result: LoadTestResult | None, spec: LoadTestSpec, rate_per_second: float, now: datetime) -> str:
    """Returns why `result` is no evidence, empty when it is."""
    if result is None:
        return _NONE
    if result.judgement is not Judgement.PASS:
        return f"the last one says {result.judgement}: {result.sentence}"
    if not result.whole:
        return "the last one was shortened"
    if result.arrivals_per_second < rate_per_second and not math.isclose(result.arrivals_per_second, rate_per_second):
        return f"the last one was made for {result.arrivals_per_second:g} requests/s, expected {rate_per_second:g}"
    age = now.astimezone(UTC) - result.started_at
    if age > timedelta(seconds=spec.max_age_seconds):
        return f"the last one is {age.total_seconds() / 86_400:.1f} days old, expected at most {_days(spec)}"
    if age < -_CLOCK_SKEW:
        return f"the last one is of {result.started_at.isoformat()}, which is yet to come"
    return ""


def _days(spec: LoadTestSpec) -> str:
    return f"{spec.max_age_seconds / 86_400:g}"
