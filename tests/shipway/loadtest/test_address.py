"""Where a load test may be sent."""

import pytest

from shipway.contract.environment import EnvironmentSpec, load_environment
from shipway.contract.errors import SpecError
from shipway.contract.tier import Tier
from shipway.loadtest.address import checked_address, gateway_of
from tests.components.conftest import REPOSITORY


@pytest.fixture(scope="module")
def staging() -> EnvironmentSpec:
    return load_environment(REPOSITORY, "staging")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080/digits", ("http://127.0.0.1:8080", "/digits/predict")),
        ("http://127.0.0.1:8080/digits/predict", ("http://127.0.0.1:8080", "/digits/predict")),
        ("http://localhost:3000/", ("http://localhost:3000", "/predict")),
        ("http://[::1]:3000", ("http://[::1]:3000", "/predict")),
    ],
)
def test_this_machine_may_always_be_asked(staging: EnvironmentSpec, url: str, expected: tuple[str, str]) -> None:
    """With or without the last part of the path."""
    assert checked_address(url, staging) == expected


def test_the_gateway_of_the_environment_itself_may_be_asked(staging: EnvironmentSpec) -> None:
    """And of no other environment, and none of tier prod."""
    gateway = gateway_of(staging)
    assert checked_address(f"https://{gateway}/digits", staging) == (f"https://{gateway}", "/digits/predict")
    prod = load_environment(REPOSITORY, "prod")
    for url, environment, said in (
        (f"https://{gateway_of(prod)}/digits", staging, f"expected this machine or {gateway}, the gateway of staging"),
        (f"https://{gateway_of(prod)}/digits", prod, "expected no gateway of tier prod: callers would wait"),
        ("http://example.com/digits", load_environment(REPOSITORY, "local"), "expected this machine"),
    ):
        with pytest.raises(SpecError, match=said):
            checked_address(url, environment)
    assert prod.tier is Tier.PROD


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ftp://127.0.0.1/x", "http:///digits", "http://a:b@127.0.0.1/x", "http://127.0.0.1/x?y=1"]
)
def test_what_is_no_address_is_refused(staging: EnvironmentSpec, url: str) -> None:
    """By its option, with one that would do."""
    with pytest.raises(SpecError, match=r"the command line: --url: got .*, expected http://HOST\[:PORT\]/MODEL"):
        checked_address(url, staging)
