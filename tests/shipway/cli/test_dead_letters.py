"""`shipway dead-letters` as a person meets it."""

import json

import pytest

from shipway.serving.dead_letters import FOLDER, DeadLetterLog
from tests.shipway.cli.project import run
from tests.shipway.delivery.stack import Stack
from tests.shipway.serving.doubles import SCHEMA
from tests.shipway.serving.test_dead_letters import Counted, letter


def test_the_newest_are_shown_with_their_cause(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a request, and how many there are; as JSON they are whole."""
    folder = project.layout.predictions / "digits"
    log = DeadLetterLog(folder, SCHEMA, "abababababab", "green", 1 << 20, Counted())
    for number in range(3):
        log.append(letter(number, rows=2))
    log.close()
    with (folder / FOLDER / "green.jsonl").open("a") as stream:
        stream.write('{"cut')
    assert run(monkeypatch, "dead-letters", "digits", "--last", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TIME", "SLOT", "VERSION", "ROWS", "REQUEST", "CAUSE"]
    assert lines[1].split(maxsplit=5)[:4] == ["2013-05-01T12:00:01", "green", "abababababab", "2"]
    assert lines[2].split(maxsplit=5)[4:] == [f"{2:032x}", "the model raised KeyError"]
    assert lines[3:] == ["2 of 3 dead letters of digits", "left out, cut off when a process was killed: 1"]
    assert run(monkeypatch, "dead-letters", "digits", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["count"], found["torn"]) == (3, 1)
    assert found["dead_letters"][0]["rows"][0]["who"].startswith("blake2:")


def test_none_is_said(project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """No file is no error: every request had an answer."""
    assert run(monkeypatch, "dead-letters", "digits") == 0
    assert capsys.readouterr().out == "0 of 0 dead letters of digits\n"


def test_an_unknown_model_is_refused(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the nearest name there is."""
    assert run(monkeypatch, "dead-letters", "digit") == 1
    assert "no model 'digit'" in capsys.readouterr().err
