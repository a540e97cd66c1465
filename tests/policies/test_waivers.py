"""Waivers and settings: what may be written, and what is said when it is wrong."""

from datetime import date
from pathlib import Path

import pytest

from policies.judge import all_rules
from policies.settings import Settings, load_settings
from policies.waivers import Waiver, expired, load_waivers, waiver_for
from shipway.contract.errors import SpecError

REPOSITORY = Path(__file__).resolve().parents[2]
KNOWN = frozenset(rule.id for rule in all_rules())
TODAY = date(2026, 11, 27)
FULL = "{rule: ML012, resource: legacy-*, owner: anna, reason: licence, expires: 2027-01-31}"


def _load(tmp_path: Path, row: str) -> tuple[Waiver, ...]:
    path = tmp_path / "waivers.yaml"
    path.write_text(f"waivers:\n  - {row}\n", encoding="utf-8")
    return load_waivers(path, KNOWN)


def test_a_waiver_names_rule_resource_owner_reason_and_date(tmp_path: Path) -> None:
    """All five are there, the date as one."""
    (waiver,) = _load(tmp_path, FULL)
    assert waiver == Waiver(
        rule="ML012", resource="legacy-*", owner="anna", reason="licence", expires=date(2027, 1, 31)
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (FULL.replace(", owner: anna", ""), "waivers.0.owner: got 'nothing', expected a value: this key is required"),
        (FULL.replace(", reason: licence", ""), "waivers.0.reason: got 'nothing', expected a value"),
        (FULL.replace(", expires: 2027-01-31", ""), "waivers.0.expires: got 'nothing', expected a value"),
        (FULL.replace("resource: legacy-*, ", ""), "waivers.0.resource: got 'nothing', expected a value"),
        (FULL.replace("rule: ML012, ", ""), "waivers.0.rule: got 'nothing', expected a value"),
        (FULL.replace("owner: anna", "owner: ' '"), "waivers.0.owner: got ' ', expected "),
        (FULL.replace("2027-01-31", "soon"), "waivers.0.expires: got 'soon', expected "),
        (FULL.replace("ML012", "ML999"), "waivers.0.rule: got 'ML999', expected the id of a rule, such as ML001"),
        (FULL.replace("owner", "who"), "waivers.0.who: got 'anna', expected no such key"),
    ],
)
def test_an_incomplete_waiver_is_one_sentence(tmp_path: Path, row: str, said: str) -> None:
    """File, key, value and what was expected."""
    with pytest.raises(SpecError) as refused:
        _load(tmp_path, row)
    assert str(refused.value).startswith(f"{tmp_path / 'waivers.yaml'}: {said}")


def test_the_last_day_counts() -> None:
    """A waiver holds on the day it expires and ends after it; the clock is an argument."""
    waiver = Waiver(rule="ML012", resource="legacy-*", owner="anna", reason="licence", expires=TODAY)
    assert waiver_for([waiver], "ML012", "legacy-cache", TODAY) is waiver
    assert expired([waiver], TODAY) == []
    assert waiver_for([waiver], "ML012", "legacy-cache", date(2026, 11, 28)) is None
    assert expired([waiver], date(2026, 11, 28)) == [
        "waiver of ML012 for 'legacy-*': expires is 2026-11-27, expected 2026-11-28 or later; anna fixes the violation "
        "or renews the waiver"
    ]


@pytest.mark.parametrize(("rule", "resource"), [("ML013", "legacy-cache"), ("ML012", "pricing")])
def test_a_waiver_covers_its_rule_and_its_resources_only(rule: str, resource: str) -> None:
    """Nothing else is excused."""
    waiver = Waiver(rule="ML012", resource="legacy-*", owner="anna", reason="licence", expires=TODAY)
    assert waiver_for([waiver], rule, resource, TODAY) is None


def test_the_files_of_this_repository_are_right() -> None:
    """The shipped waivers and settings load, and no waiver has ended when it is shipped."""
    assert load_waivers(REPOSITORY / "policies" / "waivers.yaml", KNOWN) == ()
    assert load_settings(REPOSITORY / "policies" / "settings.yaml", KNOWN).allowed_registries


def test_without_files_there_are_no_waivers_and_the_defaults(tmp_path: Path) -> None:
    """Both files may be left out."""
    assert load_waivers(tmp_path / "waivers.yaml", KNOWN) == ()
    assert load_settings(tmp_path / "settings.yaml", KNOWN) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mandatory_on: {ML999: [prod]}", "mandatory_on: got 'ML999', expected the id of a rule, such as ML001"),
        ("mandatory_on: {ML012: [production]}", "mandatory_on.ML012.0: got 'production', expected "),
        ("max_replica: 4", "max_replica: got 4, expected no such key; known keys are allowed_registries, "),
        ("max_replicas: 0", "max_replicas: got 0, expected greater than 0"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    """File, key, value and what was expected."""
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as refused:
        load_settings(path, KNOWN)
    assert str(refused.value).startswith(f"{path}: {said}")
