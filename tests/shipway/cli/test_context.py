"""What every verb shares: who acts, what is printed where, and how a verb ends."""

import getpass
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from shipway.cli.context import actor, emit, in_order, own_code, service
from shipway.contract.errors import SpecError
from tests.shipway.cli.project import MODEL


def test_who_acts_is_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable before the login name; a space at its end makes no second person of anybody."""
    monkeypatch.setenv("SHIPWAY_ACTOR", " ada\n")
    assert actor() == "ada"
    monkeypatch.setenv("SHIPWAY_ACTOR", "  ")
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    assert actor() == "grace"


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 1001"), OSError("No username set")])
def test_a_user_without_a_name_is_told_the_variable(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """As in a container that runs as a bare number; Python 3.13 raises the second."""

    def nobody() -> str:
        raise error

    monkeypatch.delenv("SHIPWAY_ACTOR", raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(SpecError, match=rf"SHIPWAY_ACTOR: got '', expected who acts: user {os.getuid()} of this"):
        actor()


def test_a_copied_folder_with_the_originals_name_is_refused(tmp_path: Path) -> None:
    """Its code would import the other folder's, and its versions be registered as the other model's."""
    (tmp_path / "services" / "digits_too").mkdir(parents=True)
    (tmp_path / "services" / "digits_too" / "model.yaml").write_text(MODEL)
    with pytest.raises(SpecError, match=r"model\.yaml: name: got 'digits', expected 'digits-too', after its folder"):
        service(tmp_path, "digits-too")


def test_a_number_that_json_has_not_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    """jq and every browser refuse NaN and Infinity."""

    def refuse(word: str) -> Any:
        raise AssertionError(word)

    emit({"a": float("inf"), "b": [float("nan"), 1.5], "c": (True, None, "NaN")}, "", as_json=True)
    told = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert told == {"a": None, "b": [None, 1.5], "c": [True, None, "NaN"]}


def test_what_own_code_prints_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """By Python or by a child; afterwards output is output again, also when the code raised."""

    def own() -> None:
        print("mine")
        os.system("echo of a child")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), own_code():
        own()
    print("the result", flush=True)
    os.system("echo and more")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("the result\nand more\n", "mine\nof a child\n")


def test_sigterm_unwinds_a_verb() -> None:
    """What a block started is ended by its own `finally`; afterwards the signal means what it did."""
    before, ended = signal.getsignal(signal.SIGTERM), list[str]()

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            ended.append("tidied")

    with pytest.raises(SystemExit) as code, in_order():
        work()
    assert (code.value.code, ended, signal.getsignal(signal.SIGTERM)) == (143, ["tidied"], before)
