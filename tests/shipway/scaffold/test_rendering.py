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
from shipway.scaffold.codeowners import with_models
from shipway.scaffold.rendering import Kind, kinds, questions, render, template_folder

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("kind", kinds(template_folder(ROOT)), ids=lambda kind: kind.name)
def test_the_template_asks_at_most_seven_questions(kind: Kind) -> None:
    """The kind and what each kind asks: a person answers them in a minute."""
    asked = questions(kind)
    every = ["name", "description", "team", "contact", "escalation", "runbook_url"]
    assert [key for key, _, _ in asked][:6] == every
    assert len(asked) <= 6
    assert all(text != key for key, text, _ in asked)


def test_every_folder_of_the_template_is_a_kind() -> None:
    """What lies in the template can be asked for, and the other way round."""
    template = template_folder(ROOT)
    folders = {path.parent.name for path in template.glob("*/cookiecutter.json")}
    assert {kind.name for kind in kinds(template)} == folders == {kind.folder.name for kind in kinds(template)}


@pytest.mark.parametrize("path", ["../../elsewhere", "/", "nowhere"])
def test_a_kind_lies_within_the_template(project: Path, path: str) -> None:
    """A template that leads out of itself is refused before anything is read there."""
    (project / "elsewhere").mkdir()
    document = project / "templates" / "model-service" / "cookiecutter.json"
    kind = {"path": path, "title": "Elsewhere", "description": "of another's"}
    document.write_text(json.dumps({"templates": {"elsewhere": kind}}), encoding="utf-8")
    with pytest.raises(SpecError, match=r"templates.elsewhere.path: got .*, expected a template within"):
        render(project, {"name": "churn"})
    assert not (project / "services").exists()


def test_services_lie_within_the_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A link that leads out of the repository is not followed."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (project / "services").symlink_to(elsewhere)
    with pytest.raises(ShipwayError, match="leads out of the project"):
        render(project, {"name": "churn"})
    assert list(elsewhere.iterdir()) == []


def test_what_fills_a_service_in_sees_it_before_anyone_else(project: Path) -> None:
    """A service takes its place when it is whole; where filling it in fails, there is none."""
    services = project / "services"

    def fill(folder: Path) -> None:
        assert not (services / "churn").exists()
        (folder / "data.csv").write_text("a,b\n", encoding="utf-8")

    folder = render(project, {"name": "churn"}, fill=fill)
    assert (folder / "data.csv").exists()

    def refuse(folder: Path) -> None:
        raise SpecError(folder / "data.csv", "a", "x", "a number")

    with pytest.raises(SpecError, match="expected a number"):
        render(project, {"name": "leave"}, fill=refuse)
    assert [path.name for path in services.iterdir()] == ["churn"]


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
        ({"name": "churn", "description": "x" * 201}, "expected at most 200 characters, not 201"),
        ({"name": "churn", "description": "{{ 7*7 }}"}, "expected plain text without any of {{ {% {#"),
        ({"name": "churn", "contact": "a b"}, "contact: got 'a b', expected an e-mail address such as"),
        ({"name": "churn", "runbook_url": "javascript:x"}, "expected an address such as https://example.com"),
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
    kind = project / "templates" / "model-service" / "tabular-classification"
    schema = kind / "{{cookiecutter.__package}}" / "schema.py"
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
    assert "/services/my_model/ my-team@example.com\n" in (project / "CODEOWNERS").read_text(encoding="utf-8")
    assert yaml.safe_load((project / "services/my_model/model.yaml").read_text())["name"] == "my-model"


@pytest.mark.parametrize(
    "words", [("--name", "churn"), ("--from-csv", "rows.csv", "--target", "y")], ids=["asked", "csv"]
)
@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("services/digits/CODEOWNERS", b"* caf\xe9@example.com\n", "CODEOWNERS: got b'\\xe9', expected text in UTF-8"),
        ("CODEOWNERS", with_models("", {}).replace("# End\n", "").encode(), "expected a line `# End` after it"),
    ],
    ids=["no text", "no end"],
)
def test_owners_that_cannot_be_read_are_told_before_anything_is_made(
    project: Path, words: tuple[str, ...], path: str, content: bytes, message: str
) -> None:
    """The next try must not find the service in its way."""
    (project / "services" / "digits").mkdir(parents=True)
    (project / "services" / "digits" / "model.yaml").touch()
    (project / "rows.csv").write_text("x,y\n" + "".join(f"{n},{n % 2}\n" for n in range(300)))
    (project / path).write_bytes(content)
    done = CliRunner().invoke(app, ["new", "--no-input", *words])
    assert isinstance(done.exception, SpecError)
    assert message in str(done.exception)
    assert [each.name for each in (project / "services").iterdir()] == ["digits"]


def test_a_neighbours_path_that_nobody_owns_is_no_obstacle(project: Path) -> None:
    """Such a line is one that code hosts know, and it is carried as it is."""
    (project / "services" / "digits").mkdir(parents=True)
    (project / "services" / "digits" / "model.yaml").touch()
    (project / "services" / "digits" / "CODEOWNERS").write_text("* @example/growth\n/notes/\n")
    done = CliRunner().invoke(app, ["new", "--no-input", "--name", "churn"])
    assert done.exit_code == 0, done.output
    assert "/services/digits/notes/\n" in (project / "CODEOWNERS").read_text(encoding="utf-8")


def test_without_no_input_the_verb_asks_what_was_not_given(project: Path) -> None:
    """The kind comes first; return takes the default; a bad name is refused before the next question."""
    done = CliRunner().invoke(
        app, ["new", "--team", "growth"], input="tabular-regression\nchurn\nWill they leave?\n\n\n\n"
    )
    assert done.exit_code == 0, done.output
    spec = load_model(project / "services" / "churn" / "model.yaml")
    assert (spec.description, spec.owner.contact) == ("Will they leave?", "growth@example.com")
    assert "Task.REGRESSION" in (project / "services" / "churn" / "train.py").read_text(encoding="utf-8")
    for answers, unasked in (("\nChurn\n", "What it predicts"), ("speech\n", "Name of the model")):
        refused = CliRunner().invoke(app, ["new"], input=answers)
        assert isinstance(refused.exception, SpecError)
        assert unasked not in refused.output
