"""What model.yaml may say of serving: each rule refuses with both values, and the time an answer takes adds up."""

from typing import Any

import pytest

from shipway.contract.documents import parse
from shipway.contract.errors import SpecError
from shipway.contract.serving import FallbackSource, FeaturesSpec, ServingSpec


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"fallback": ["constant"]}, "fallback_constant (None)"),
        ({"fallback_constant": 1.0}, "fallback (none) to agree with fallback_constant (1.0)"),
        ({"fallback": ["cached"]}, "cached_max_age_seconds (None): an age is named exactly when old answers may be"),
        ({"cached_max_age_seconds": 60}, "fallback (none) to agree with cached_max_age_seconds (60.0)"),
        ({"fallback": ["previous", "previous"]}, "each source once, not previous, previous"),
        (
            {"fallback": ["constant", "previous"], "fallback_constant": 1.0},
            "constant at the end of fallback (constant, previous): what follows it is never asked",
        ),
        ({"previous_timeout_seconds": 0}, "previous_timeout_seconds: got 0, expected greater than 0"),
        ({"cached_by": "user"}, "cached_by: got 'user', expected 'row' or 'unit'"),
        ({"cached_max_entries": 2_000_000}, "cached_max_entries: got 2000000, expected less than or equal to 1000000"),
        ({"dead_letter_max_mib": 0}, "dead_letter_max_mib: got 0, expected greater than 0"),
    ],
)
def test_a_chain_that_cannot_be_meant_is_refused(written: dict[str, Any], message: str) -> None:
    """A knob of a source that is not there, or a source that is never asked, is a mistake somebody made."""
    with pytest.raises(SpecError) as refused:
        parse(ServingSpec, written, "model.yaml")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"max_concurrency": 0}, "max_concurrency: got 0, expected greater than 0"),
        ({"retry_ratio": 1.5}, "retry_ratio: got 1.5, expected less than or equal to 1"),
        ({"circuit": {"failure_ratio": 0}}, "circuit.failure_ratio: got 0, expected greater than 0"),
        ({"circuit": {"open_seconds": 0}}, "circuit.open_seconds: got 0, expected greater than 0"),
        (
            {"circuit": {"consecutive_failures": 30}},
            "consecutive_failures (30) to be at most window_reads (20)",
        ),
        ({"circuit": {"open": 5}}, "circuit.open"),
    ],
)
def test_a_read_that_cannot_be_meant_is_refused(written: dict[str, Any], message: str) -> None:
    """The limits of the store are checked as those of the model are."""
    with pytest.raises(SpecError) as refused:
        parse(FeaturesSpec, written, "model.yaml")
    assert message in str(refused.value)


def test_who_waits_for_an_answer_waits_for_the_whole_chain() -> None:
    """Features, the model and the version before it may each use up their time; what is not there costs nothing."""
    reads = parse(
        FeaturesSpec,
        {"reads": [{"name": "v:a", "default": 0, "ttl_seconds": 1}], "timeout_seconds": 0.25},
        "model.yaml",
    )
    chain = ServingSpec(timeout_seconds=10, fallback=(FallbackSource.PREVIOUS,), previous_timeout_seconds=2)
    assert ServingSpec(timeout_seconds=10).answer_seconds(FeaturesSpec()) == 11
    assert chain.answer_seconds(FeaturesSpec(timeout_seconds=100)) == 13
    assert chain.answer_seconds(reads) == 13
    assert ServingSpec(timeout_seconds=0.6).answer_seconds(reads) == 2
