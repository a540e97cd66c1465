"""`shipway plan`, `explain` and `doctor` as a person meets them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shipway.cli import doctor
from shipway.cli.app import app
from shipway.contract.evidence import Gate
from shipway.delivery.baseline import Baseline
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.history import History
from shipway.delivery.ledger import Ledger
from tests.shipway.cli.project import run
from tests.shipway.delivery.stack import ENVIRONMENT, Stack
from tests.shipway.delivery.told import CANDIDATE, entries, looks


@pytest.mark.parametrize("verb", ["plan", "explain", "doctor", "approve", "promote", "rollback", "status", "ledger"])
def test_help_shows_an_example(verb: str) -> None:
    """A person can copy a working command."""
    assert f"shipway {verb}" in CliRunner().invoke(app, [verb, "--help"]).output.split("Example:")[1]


def test_a_plan_from_given_numbers(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With traffic and errors given nothing has to run; steps, minutes, gates and the verdict are printed."""
    assert run(monkeypatch, "plan", "digits", "--requests-per-second", "100", "--error-ratio", "0") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "digits at 100.00 requests/s with 0.00% errors"
    assert lines[3].split() == ["1", "%", "5", "%", "27", "0.5", "yes"]
    assert lines[-1] == "can be met"


@pytest.mark.parametrize("gate", Rules.gates)
def test_a_plan_names_every_gate(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gate: Gate
) -> None:
    """Each guardrail has what it does, live's ratio and the least ratio that it sees by the end of each step."""
    run(monkeypatch, "plan", "digits", "--requests-per-second", "100", "--error-ratio", "0.001", "--json")
    result = json.loads(capsys.readouterr().out)
    (sight,) = (one for one in result["gates"] if one["gate"] == gate)
    assert sight["action"] == "rollback"
    assert len(sight["detectable_ratios"]) == len(result["steps"]) == 4


def test_a_plan_that_cannot_be_met(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and the reason; nothing measured and nothing given is refused with what to give."""
    assert run(monkeypatch, "plan", "digits", "--requests-per-second", "0", "--error-ratio", "0") == 1
    assert "cannot be met: there is no traffic" in capsys.readouterr().out
    assert run(monkeypatch, "plan", "digits") == 1
    expected = f"the traffic of digits is not known: Prometheus does not answer on port {project.base_port + 2}"
    assert expected in capsys.readouterr().err
    monkeypatch.setattr("shipway.cli.plan.measure", lambda *_: Baseline(0.0, None, {}))
    assert run(monkeypatch, "plan", "digits") == 1
    assert "an error ratio of 0 is assumed" in capsys.readouterr().err
    monkeypatch.setattr("shipway.cli.plan.measure", lambda *_: Baseline(50.0, 0.001, {Gate.ERRORS: 0.001}))
    assert run(monkeypatch, "plan", "digits", "--error-ratio", "0.002", "--json") == 0
    (errors,) = (one for one in json.loads(capsys.readouterr().out)["gates"] if one["gate"] == Gate.ERRORS)
    assert (errors["base_ratio"], errors["assumed"]) == (0.002, True)


@pytest.fixture
def told(project: Stack) -> Stack:
    """A project in which rollout 7 of digits was rolled back."""
    history, kept = looks(bad_every=12), History(project.layout.history)
    for second, look in enumerate(history):
        kept.add(look, float(second))
    ledger = Ledger(project.layout.ledger)
    for entry in entries(history):
        ledger.append(**entry.model_dump(exclude={"number", "previous", "evidence"}), evidence=entry.evidence)
    return project


@pytest.mark.parametrize("release", ["digits", "digits/7", "bbbbbb", CANDIDATE])
def test_a_rollout_is_explained(
    told: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], release: str
) -> None:
    """By any of its names: every transition in order, and how it ended."""
    assert run(monkeypatch, "explain", release) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "digits rollout 7: bbbbbbbbbbbb against aaaaaaaaaaaa"
    assert lines[-1].startswith("outcome: rolled_back at 2026-11-26T14:00:12")
    assert any(line.startswith('      query: shipway_requests_total{model="digits"}') for line in lines)


def test_an_explanation_is_drawn_and_is_json(
    told: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """--plot writes the drawing, --json the same verdicts with their queries."""
    assert run(monkeypatch, "explain", "digits", "--plot", str(tmp_path / "r.svg"), "--json") == 0
    printed = capsys.readouterr()
    assert (tmp_path / "r.svg").read_text().startswith("<svg ")
    assert printed.err == f"drew 12 looks into {tmp_path / 'r.svg'}\n"
    result = json.loads(printed.out)
    assert (result["ended"], [event["action"] for event in result["events"]]) == (
        "rolled_back",
        ["candidate", "rolled_back"],
    )
    assert {verdict["query"] for verdict in result["events"][1]["verdicts"]}


def test_what_cannot_be_explained_is_one_line(
    told: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An unknown release, and a drawing without history, are refused and nothing is written."""
    assert run(monkeypatch, "explain", "digits/8") == 1
    assert capsys.readouterr().err == "error: no rollout '8' of 'digits'; known ones are 7\n"
    next(told.layout.history.rglob("*.jsonl")).unlink()
    assert run(monkeypatch, "explain", "digits", "--plot", str(tmp_path / "r.svg")) == 1
    assert "no look at rollout 7 of digits is kept in " in capsys.readouterr().err
    assert not (tmp_path / "r.svg").exists()


def test_a_doctor_finds_what_is_wrong(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine in order is exit code 0; a damaged ledger is 1 with what to do, in text and in JSON."""
    assert run(monkeypatch, "doctor", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    seen = {one["subject"]: one["detail"] for one in result["findings"]}
    assert result["ok"]
    assert seen["tools"] == "not part of this install"
    assert seen["supervisor"] == f"not started; `make up ENV={ENVIRONMENT}` starts the stack"
    Ledger(project.layout.ledger).append(time="t", actor="a", action="x", model="m", digests={}, reason="r")
    entry = project.layout.ledger / "00000001.json"
    entry.chmod(0o644)
    entry.write_text("{")
    assert run(monkeypatch, "doctor") == 1
    out = capsys.readouterr().out
    assert f"the ledger is damaged; {entry}" in out
    assert out.splitlines()[-1] == f"1 of {len(result['findings'])} are a problem"


def test_the_tools_of_a_checkout_are_asked() -> None:
    """Every program that the project names has a line, in order or with how to get it."""
    root = Path(__file__).resolve().parents[3]
    found = doctor.tools(root)
    assert {one.subject for one in found} >= {"tool pulumi", "tool envoy", "tool prometheus"}
    assert all(one.ok or one.remedy.startswith("`make setup` gets ") for one in found)
