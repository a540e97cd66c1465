"""`shipway agree` as a person meets it: from a release that a policy stops to one that may deploy."""

import json
from datetime import date
from pathlib import Path

import pytest

from policies.judge import judge
from policies.resource import Resource
from policies.rule import MODEL_SERVICE
from policies.rules.artifacts import registered
from shipway.cli.main import main
from shipway.contract.record import load_record, record_path
from shipway.contract.tier import Tier
from tests.shipway.cli.test_carry import NEW, RECORD, carry, folder

__all__ = ["folder"]

TODAY = date(2026, 11, 28)


def agree(monkeypatch: pytest.MonkeyPatch, who: str, *words: str) -> int:
    monkeypatch.setenv("SHIPWAY_ACTOR", who)
    monkeypatch.setattr("sys.argv", ["shipway", "agree", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def stopped(folder: Path) -> list[str]:
    """Returns what the policy ML026 says of the version in the slot."""
    record = load_record(folder, NEW).model_dump(mode="json")
    props = {"release": {"blue": "", "green": NEW}, "bundles": {"green": record}}
    found = judge([Resource(type=MODEL_SERVICE, name="digits", props=props)], Tier.PROD, (), TODAY, rules=[registered])
    return [one.message for one in found]


def test_another_person_agrees_and_the_policy_passes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record is all it needs; who submitted is refused; again is no change, and the first word stays."""
    assert carry(monkeypatch, "--from", "staging", "--to", "prod", "--offline") == 0
    [why] = stopped(folder)
    assert why.startswith("bundles.green.approved_by is '', expected it in the registry")
    before = record_path(folder, NEW).read_bytes()
    capsys.readouterr()
    assert agree(monkeypatch, "ada", "digits", NEW) == 1
    refused = "error: ada submitted bbbbbbbbbbbb of digits; another person agrees to it (SHIPWAY_ACTOR says who acts)\n"
    assert capsys.readouterr().err == refused
    assert record_path(folder, NEW).read_bytes() == before
    assert agree(monkeypatch, "grace", "digits", NEW) == 0
    assert capsys.readouterr().out == (
        "grace agreed to bbbbbbbbbbbb of digits\n"
        "next: git commit --message 'Agree to bbbbbbbbbbbb of digits' "
        "services/digits/releases/bundles/bbbbbbbbbbbb.yaml\n"
    )
    assert stopped(folder) == []
    written = record_path(folder, NEW).read_bytes()
    assert load_record(folder, NEW).model_copy(update={"approved_by": "", "load_tests": ()}) == RECORD
    for who in ("grace", "linus"):
        assert agree(monkeypatch, who, "digits", NEW, "--json") == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["approved_by"], said["changed"], said["next"]) == ("grace", False, "")
    assert record_path(folder, NEW).read_bytes() == written
    # A later release or carry of the same bundle keeps the word.
    monkeypatch.setenv("SHIPWAY_ACTOR", "ada")
    assert carry(monkeypatch, "--from", "staging", "--to", "dev", "--offline") == 0
    assert stopped(folder) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("digits", "sha256:" + "c" * 64), 2, "cccccccccccc.yaml: got 'no such file', expected the bundle's record"),
        (("digits", "bbbbbbbbbbbb"), 2, "DIGEST: got 'bbbbbbbbbbbb', expected sha256: and 64 hexadecimal digits"),
        (("digit", NEW), 1, "did you mean 'digits'?"),
    ],
)
def test_what_cannot_be_agreed_to_is_refused(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    """One line, and nothing is written."""
    before = sorted(folder.rglob("*"))
    assert agree(monkeypatch, "grace", *words) == code
    assert said in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before
