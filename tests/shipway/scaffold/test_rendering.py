"""`shipway new` renders the whole service or nothing."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from shipway.cli.app import app
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.model import load_model
from shipway.scaffold.rendering import questions, render, template_folder

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_template_asks_at_most_six_questions() -> None:
    """A person answers them in a minute."""
    asked = questions(template_folder(ROOT))
    assert [key for key, _, _ in asked] == ["name", "description", "team", "contact", "escalation", "runbook_url"]
    assert all(text != key for key, text, _ in asked)


def test_answers_reach_the_model_and_defaults_follow_from_them(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a person types is a valid document afterwards; nothing is left at home or among temporary files."""
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    description = 'Will "they" leave: #1 {yes}? \\n'
    folder = render(project, {"name": "churn-2", "team": "growth & co", "description": description})
    spec = load_model(folder / "model.yaml")
    assert (spec.name, spec.description, spec.owner.team) == ("churn-2", description, "growth & co")
    assert spec.owner.runbook_url == "https://example.com/runbooks/churn-2"
    assert not (project / "home").exists()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"name": "Churn"}, "try 'churn'"),
        ({"name": "digits"}, "services/digits exists already; try 'digits-model'"),
        ({"colour": "red"}, "shipway new: colour: got 'red', expected one of name, description"),
        ({"name": "churn", "team": ""}, "shipway new: team: got '', expected one line of text"),
        ({"name": "churn", "description": "a\nb"}, "expected one line of text"),
    ],
)
def test_a_refused_answer_makes_nothing(project: Path, answers: dict[str, str], message: str) -> None:
    """The error names the question, the answer and what would do."""
    (project / "services" / "digits").mkdir(parents=True)
    with pytest.raises(SpecError) as refused:
        render(project, answers)
    assert message in str(refused.value)
    assert [path.name for path in (project / "services").iterdir()] == ["digits"]


def test_a_broken_template_makes_nothing(project: Path) -> None:
    """A team that edits its template learns at once what it broke."""
    schema = project / "templates" / "model-service" / "{{cookiecutter.__package}}" / "schema.py"
    schema.write_text("{{ cookiecutter.nothing }}", encoding="utf-8")
    with pytest.raises(ShipwayError, match="cannot be rendered"):
        render(project, {"name": "churn"})
    assert list((project / "services").iterdir()) == []


def test_the_verb_prints_what_to_do_next(project: Path) -> None:
    """The last line of standard output is the result."""
    done = CliRunner().invoke(app, ["new", "--no-input", "--name", "my-model", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["model"], result["folder"]) == ("my-model", "services/my_model")
    assert result["next"][1] == "shipway train my-model"
    assert yaml.safe_load((project / "services/my_model/model.yaml").read_text())["name"] == "my-model"


def test_without_no_input_the_verb_asks_what_was_not_given(project: Path) -> None:
    """Return takes the default; a bad name is refused before the second question."""
    done = CliRunner().invoke(app, ["new", "--team", "growth"], input="churn\nWill they leave?\n\n\n\n")
    assert done.exit_code == 0, done.output
    spec = load_model(project / "services" / "churn" / "model.yaml")
    assert (spec.description, spec.owner.contact) == ("Will they leave?", "growth@example.com")
    refused = CliRunner().invoke(app, ["new"], input="Churn\n")
    assert isinstance(refused.exception, SpecError)
    assert "What it predicts" not in refused.output
