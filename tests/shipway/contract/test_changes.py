"""Which services a change touches."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract import changes
from shipway.contract.changes import SHARED, changed_services

PACKAGES = ["churn", "digits"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("services/churn/train.py", ["churn"]),
        ("services/churn/tests/test_service.py", ["churn"]),
        ("services/churn/releases/prod.yaml", []),
        ("services/churn/releases/bundles/0123456789ab.yaml", []),
        ("services/gone/train.py", []),
        ("services/README.md", []),
        ("docs/ci.md", []),
        ("shipway/serving/edge.py", PACKAGES),
        ("requirements.lock", PACKAGES),
        ("pyproject.toml", PACKAGES),
        ("tests/shipway/test_x.py", []),
        ("shipways/x.py", []),
    ],
)
def test_a_file_touches_the_services_that_stand_on_it(path: str, expected: list[str]) -> None:
    """Its own service, all for what is shared, none for a release, which changes no code, or for what is gone."""
    assert changed_services([path], PACKAGES) == expected


@given(st.lists(st.sampled_from([*(f"services/{name}/a.py" for name in PACKAGES), "docs/a.md", *SHARED])))
def test_more_changes_never_touch_fewer_services(paths: list[str]) -> None:
    """What a change touches is the union of what its files touch."""
    together = set(changed_services(paths, PACKAGES))
    assert together == {name for path in paths for name in changed_services([path], PACKAGES)}


def test_the_documented_examples_are_true() -> None:
    """The docstring's examples give what they say."""
    assert doctest.testmod(changes).failed == 0
