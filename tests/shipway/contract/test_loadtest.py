"""The gate of a release: only a fresh, whole pass of the very version counts."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.documents import parse
from shipway.contract.errors import SpecError
from shipway.contract.evidence import Judgement
from shipway.contract.load_evidence import missing_load_tests, passed_load_tests
from shipway.contract.loadtest import (
    PROFILES,
    LoadTestSpec,
    Profile,
    StageResult,
    read_result,
    result_name,
)
from shipway.contract.tier import Tier
from tests.shipway.loadtest.results_of import DIGEST, NOW, OTHER, result, stage

LATER = NOW + timedelta(hours=1)
COMMAND = f"`shipway loadtest digits --digest {DIGEST} --profile load`"


def missing(*found: Any, spec: LoadTestSpec | None = None, tier: Tier = Tier.PROD, rate: float = 20) -> list[str]:
    return missing_load_tests(spec or LoadTestSpec(), tier, "digits", DIGEST, rate, found, NOW)


def test_a_fresh_pass_of_the_very_version_is_enough() -> None:
    """By default nonprod wants smoke, prod wants load, and local wants nothing."""
    assert missing(result()) == []
    assert missing(tier=Tier.LOCAL) == []
    assert missing(tier=Tier.NONPROD)[0].startswith("load test smoke: there is none; `shipway loadtest")
    assert missing(spec=LoadTestSpec(required={})) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"digest": OTHER}, "there is none of aaaaaaaaaaaa, only of bbbbbbbbbbbb"),
        ({"model": "flights"}, "there is none"),
        ({"judgement": Judgement.FAIL, "sentence": "it broke"}, "the last one says fail: it broke"),
        ({"judgement": Judgement.INCONCLUSIVE, "sentence": "too few"}, "the last one says inconclusive: too few"),
        ({"judgement": Judgement.ERROR, "sentence": "no slot"}, "the last one says error: no slot"),
        ({"whole": False}, "the last one was shortened"),
        ({"arrivals_per_second": 19.0}, "the last one was made for 19 requests/s, expected 20"),
        ({"started_at": NOW - timedelta(days=31)}, "the last one is 31.0 days old, expected at most 30"),
        (
            {"started_at": NOW + timedelta(hours=1)},
            "the last one is of 2026-11-27T13:00:00+00:00, which is yet to come",
        ),
    ],
)
def test_everything_else_is_named_with_the_command_that_helps(changes: dict[str, Any], why: str) -> None:
    """Another version's, a failed, a shortened, a slower, an old one: none is evidence."""
    assert missing(result(**changes)) == [f"load test load: {why}; {COMMAND}"]


def test_the_whole_rate_answers_for_half_of_it() -> None:
    """A pass of `load` is as good as one of `smoke`; the other way round it is not, and a failed one is neither."""
    assert missing(result(), tier=Tier.NONPROD) == []
    assert missing(result(profile=Profile.SMOKE)) != []
    failed = result(judgement=Judgement.FAIL, sentence="too slow")
    assert missing(failed, tier=Tier.NONPROD)[0].startswith("load test smoke: there is none;")


def test_git_keeps_the_newest_passes_without_their_stages() -> None:
    """A pass that a failure followed is none any more."""
    soak = result(profile=Profile.SOAK)
    later = result(profile=Profile.SOAK, started_at=LATER, judgement=Judgement.FAIL)
    found = [result(seed=1), result(seed=2, started_at=LATER), soak, later, result(digest=OTHER), result(whole=False)]
    [kept] = passed_load_tests(DIGEST, found)
    assert (kept.profile, kept.seed, kept.stages) == (Profile.LOAD, 2, ())


def test_the_command_names_the_environment_that_keeps_the_bundle() -> None:
    """It can be pasted as it stands."""
    [said] = missing_load_tests(LoadTestSpec(), Tier.PROD, "digits", DIGEST, 20, [], NOW, "dev")
    assert said.endswith("--profile load --env dev`")


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda digest, judgement, whole, rate, hours: result(
                digest=digest,
                judgement=judgement,
                whole=whole,
                arrivals_per_second=rate,
                started_at=NOW - timedelta(hours=hours),
            ),
            st.sampled_from([DIGEST, OTHER]),
            st.sampled_from(list(Judgement)),
            st.booleans(),
            st.sampled_from([10.0, 20.0, 40.0]),
            st.integers(0, 2000),
        ),
        max_size=6,
    )
)
def test_nothing_passes_without_evidence(found: list[Any]) -> None:
    """Whatever lies there, the gate opens exactly when the newest result of the version is a good one."""
    own = [one for one in found if one.digest == DIGEST]
    newest = max(own, key=lambda one: one.started_at, default=None)
    good = (
        newest is not None
        and newest.judgement is Judgement.PASS
        and newest.whole
        and newest.arrivals_per_second >= 20
        and NOW - newest.started_at <= timedelta(days=30)
    )
    assert (missing(*found) == []) is good


def test_a_result_survives_its_document() -> None:
    """What is written is what is read, and a document of another version is refused by its key."""
    text = result().to_json()
    assert read_result(text.encode(), "load.json") == result()
    with pytest.raises(SpecError, match=r"load.json: version: got 2, expected 1"):
        read_result(text.replace('"version": 1', '"version": 2').encode(), "load.json")
    assert result_name("digits", DIGEST, Profile.SOAK) == f"digits/{'a' * 64}/soak.json"


def test_a_stage_has_no_more_bad_requests_than_requests() -> None:
    """Such a count would make any ratio a lie."""
    with pytest.raises(ValueError, match=r"failures \(2\) and slow \(1\) to be at most requests \(2\) together"):
        StageResult(**stage().model_dump() | {"requests": 2, "failures": 2, "slow": 1})


def test_model_yaml_names_profiles_and_tiers_that_exist() -> None:
    """A slip is refused with what there is."""
    for document, said in (
        ({"required": {"prod": ["loud"]}}, r"required.prod.0: got 'loud', expected 'smoke', 'load'"),
        ({"required": {"prd": ["load"]}}, r"got 'prd', expected 'local', 'nonprod' or 'prod'"),
        ({"required": {"prod": ["load", "load"]}}, r"each profile once in tier prod, not load, load"),
    ):
        with pytest.raises(SpecError, match=said):
            parse(LoadTestSpec, document, "model.yaml")


def test_every_profile_is_described_and_judges_something() -> None:
    """A profile without a judged stage could never fail."""
    assert set(PROFILES) == set(Profile)
    assert all(any(one.judged for one in profile.stages) for profile in PROFILES.values())


def test_the_rate_comes_from_the_nearest_place_that_names_one() -> None:
    """The section's own, else what a replica answers well, else 20."""
    assert LoadTestSpec(requests_per_second=7).rate(50) == 7
    assert LoadTestSpec().rate(50) == 50
    assert LoadTestSpec().rate(None) == 20
