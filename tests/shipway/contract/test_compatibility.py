"""Which services deploy, by the version of the contract they were made for."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.compatibility import (
    CONTRACT_VERSION,
    FIRST_VERSION,
    VERSIONS,
    Standing,
    compatibility,
    parse_version,
    template_standing,
)
from shipway.contract.errors import SpecError
from shipway.contract.model import load_model

MODEL = """
name: digits
{version}
description: Which digit.
owner: {{team: vision, contact: a@b.c, escalation: a@b.c, runbook_url: "https://example.com"}}
resources: {{cpu_millicores: 250, memory_mib: 256}}
evaluation: {{gates: [{{metric: accuracy, minimum: 0.5}}]}}
"""


@pytest.mark.parametrize(
    ("version", "standing", "sentence"),
    [
        ("2.3", Standing.CURRENT, ""),
        (
            "2.2",
            Standing.BEHIND,
            "made for contract 2.2, and this platform's is 2.3: it still deploys, and with 2.4 no more; "
            "`shipway fleet update churn`",
        ),
        (
            "2.1",
            Standing.TOO_OLD,
            "made for contract 2.1, and this platform's is 2.3: the oldest that deploys is 2.2; "
            "`shipway fleet update churn`",
        ),
        (
            "1.9",
            Standing.TOO_OLD,
            "made for contract 1.9, and this platform's is 2.3: the oldest that deploys is 2.2; "
            "`shipway fleet update churn`",
        ),
        (
            "2.4",
            Standing.TOO_NEW,
            "made for contract 2.4, and this platform's is 2.3: it needs a newer Shipway; update the platform first",
        ),
        (
            "10.0",
            Standing.TOO_NEW,
            "made for contract 10.0, and this platform's is 2.3: it needs a newer Shipway; update the platform first",
        ),
    ],
)
def test_one_minor_version_behind_deploys_and_says_so(version: str, standing: Standing, sentence: str) -> None:
    """What is older or newer is refused; each sentence ends with the next step."""
    found = compatibility("churn", version, "2.3")
    assert (found.standing, found.sentence) == (standing, sentence)
    assert found.deploys == (standing in (Standing.CURRENT, Standing.BEHIND))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_of_two_services_the_newer_one_never_deploys_less(major: int, minor: int, own: int, own_minor: int) -> None:
    """Up to the platform's own version, deploying is monotone; a major version behind never deploys."""
    platform = f"{own}.{own_minor}"
    found = compatibility("churn", f"{major}.{minor}", platform)
    assert found.deploys == (major == own and minor in (own_minor, own_minor - 1))
    if found.deploys and minor < own_minor:
        assert compatibility("churn", f"{major}.{minor + 1}", platform).deploys


def test_the_versions_grow_one_by_one() -> None:
    """Each row is a minor version after the one before it, or the next major one, with a newer template."""
    for before, after in pairwise(VERSIONS):
        major, minor = parse_version(before.version)
        assert parse_version(after.version) in ((major, minor + 1), (major + 1, 0))
        assert parse_version(after.template) > parse_version(before.template)
    assert VERSIONS[-1].version == CONTRACT_VERSION


@pytest.mark.parametrize("text", ["", "1", "1.", "1.1.1.1", "v1.1", "01.1", "1.1\n", "1.x", "1.9999999"])
def test_anything_else_is_no_version(text: str) -> None:
    """A version is numbers joined by points."""
    with pytest.raises(ValueError, match="numbers joined by points, such as"):
        parse_version(text)


@pytest.mark.parametrize(
    ("version", "standing"),
    [
        ("1.2.0", Standing.CURRENT),
        ("1.1.9", Standing.BEHIND),
        ("0.9.9", Standing.TOO_OLD),
        ("1.10.0", Standing.TOO_NEW),
    ],
)
def test_a_template_is_older_by_its_numbers_not_its_letters(version: str, standing: Standing) -> None:
    """1.10 comes after 1.2; what is older than the oldest supported is too old."""
    assert template_standing(version, "1.2.0", "1.0.0") is standing


def test_a_model_that_does_not_say_is_of_the_first_contract(tmp_path: Path) -> None:
    """The key came with the second version, so one without it was written before."""
    (tmp_path / "model.yaml").write_text(MODEL.format(version=""))
    assert load_model(tmp_path / "model.yaml").contract_version == FIRST_VERSION


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("contract_version: 1.10", 'contract_version: got 1.1, expected a version in quotes, such as "'),
        ('contract_version: "newest"', "contract_version: got 'newest', expected numbers joined by points"),
    ],
)
def test_what_is_no_version_is_refused(tmp_path: Path, version: str, message: str) -> None:
    """YAML's number 1.10 is 1.1: a version is written in quotes."""
    (tmp_path / "model.yaml").write_text(MODEL.format(version=version))
    with pytest.raises(SpecError) as refused:
        load_model(tmp_path / "model.yaml")
    assert message in str(refused.value)


def test_a_document_of_another_contract_is_refused_for_that(tmp_path: Path) -> None:
    """Its unknown keys are explained by its version; a document of this contract is refused for its key."""
    path = tmp_path / "digits" / "model.yaml"
    path.parent.mkdir()
    path.write_text(MODEL.format(version='contract_version: "0.9"\nold_key: 1'))
    with pytest.raises(SpecError) as refused:
        load_model(path)
    assert str(refused.value).startswith(
        f"{path}: contract_version: got '0.9', expected one that this platform deploys"
    )
    assert str(refused.value).endswith("`shipway fleet update digits`")
    path.write_text(MODEL.format(version=f'contract_version: "{CONTRACT_VERSION}"\nold_key: 1'))
    with pytest.raises(SpecError, match="old_key: got 1, expected no such key"):
        load_model(path)
