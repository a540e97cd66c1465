"""`shipway train` as a person meets it; what training does is tested with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shipway.cli.app import app
from shipway.contract.errors import ShipwayError, SpecError
from shipway.training import pipeline
from shipway.training.registry import RegisteredVersion

ROOT = Path(__file__).resolve().parents[3]

MODEL = """
name: toy-cli
description: Nothing.
owner: {team: toys, contact: t@example.com, escalation: t@example.com, runbook_url: https://example.com}
resources: {cpu_millicores: 100, memory_mib: 100}
evaluation: {gates: [{metric: auc, minimum: 0.8}]}
"""

TRAINED = RegisteredVersion("toy-cli", "3", f"sha256:{'a' * 64}", {"auc": 0.9})


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one model; the command runs in it."""
    for name in ("Pulumi.yaml", "stacks/Pulumi.local.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "services" / "toy_cli").mkdir(parents=True)
    (tmp_path / "services" / "toy_cli" / "model.yaml").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[pipeline.Training]:
    """The trainings that the command asked for; each says it succeeded."""
    asked: list[pipeline.Training] = []

    def train(job: pipeline.Training) -> RegisteredVersion:
        asked.append(job)
        job.progress("fit: 0.1 s")
        return TRAINED

    monkeypatch.setattr(pipeline, "train", train)
    return asked


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_the_last_line_is_the_result(jobs: list[pipeline.Training]) -> None:
    """Standard output holds one line of JSON; progress goes to standard error."""
    result = invoke("train", "toy-cli", "--set", "seed=2", "--json")
    assert json.loads(result.stdout) == {
        "model": "toy-cli",
        "version": "3",
        "digest": TRAINED.digest,
        "metrics": {"auc": 0.9},
        "trained": True,
    }
    assert result.stderr == "fit: 0.1 s\n"
    assert [(job.overrides, job.with_champion) for job in jobs] == [({"seed": "2"}, True)]


def test_if_missing_trains_where_there_is_nothing(jobs: list[pipeline.Training]) -> None:
    """Without a registry there is no version to return."""
    assert invoke("train", "toy-cli", "--if-missing").exit_code == 0
    assert len(jobs) == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["toy-clo"], ShipwayError, r"no model 'toy-clo' in .*services; did you mean 'toy-cli'\?"),
        (["toy-cli", "--env", "mars"], SpecError, r"Pulumi\.mars\.yaml: got 'no such file', expected one of .* local"),
        (["toy-cli", "--set", "seed"], SpecError, r"--set: got 'seed', expected key=value"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], kind: type[Exception], message: str) -> None:
    """Before anything is loaded."""
    with pytest.raises(kind, match=message):
        CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("verb", ["train", "replay"])
def test_help_shows_an_example(verb: str) -> None:
    """A person can copy a working command."""
    assert f"shipway {verb} flight-delay" in invoke(verb, "--help").output
