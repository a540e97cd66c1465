"""A template that renders something else is another version: by that alone services know that they are behind."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError
from tools.template import QUESTIONS, RECORD, Rendered, problem, record, recorded, rendered

ROOT = Path(__file__).resolve().parents[2]


def test_the_record_says_what_the_template_renders() -> None:
    """Whoever changes the template raises its version and runs `python -m tools.template`."""
    before, now = recorded((ROOT / RECORD).read_text(encoding="utf-8"), ROOT / RECORD), rendered(ROOT)
    assert problem(before, now) == ""
    assert before == now, "run `python -m tools.template`, which writes down what the new version renders"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in git whose template has one kind, recorded."""
    template = tmp_path / "templates" / "model-service"
    shutil.copytree(ROOT / "templates" / "model-service", template, symlinks=True)
    index = template / "cookiecutter.json"
    kinds = json.loads(index.read_text(encoding="utf-8"))["templates"]
    index.write_text(json.dumps({"templates": {"text": kinds["text"]}}), encoding="utf-8")
    (tmp_path / RECORD).unlink()
    record(tmp_path)
    named = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgSign=false"]
    for words in (["init", "--quiet"], ["add", "--all"], [*named, "commit", "--quiet", "--message", "template"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def raise_version(project: Path, version: str) -> None:
    path = project / QUESTIONS
    questions = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(questions | {"_template_version": version}), encoding="utf-8")


def test_a_change_under_the_same_version_is_not_recorded(project: Path) -> None:
    """The error names the kind, the file with the version and the command; with the version raised it is recorded.

    As long as that version is not committed, its template may be changed again.
    """
    before, base = rendered(project), project / "templates" / "model-service" / "templates" / "base" / "__init__.py"
    assert problem(before, record(project)) == ""
    text = (project / RECORD).read_text(encoding="utf-8")
    base.write_text(base.read_text(encoding="utf-8") + "# new\n", encoding="utf-8")
    with pytest.raises(ShipwayError) as refused:
        record(project)
    assert str(refused.value) == (
        f"text: rendered differently than by template {before.version}, and the template is {before.version}: no "
        f"service would hear of it. Raise _template_version in {QUESTIONS}, then run `python -m tools.template`"
    )
    assert (project / RECORD).read_text(encoding="utf-8") == text
    raise_version(project, "9.0.0")
    first = record(project)
    assert first.kinds.keys() == before.kinds.keys()
    assert first.kinds != before.kinds
    base.write_text(base.read_text(encoding="utf-8") + "# newer\n", encoding="utf-8")
    assert record(project).kinds != first.kinds


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (Rendered("1.1.0", {"a": "1"}), Rendered("1.1.0", {"a": "1"}), ""),
        (Rendered("1.1.0", {"a": "1"}), Rendered("1.2.0", {"a": "1"}), ""),
        (Rendered("1.9.0", {"a": "1"}), Rendered("1.10.0", {"a": "2", "b": "1"}), ""),
        (Rendered("1.1.0", {"a": "1", "b": "1"}), Rendered("1.0.9", {"a": "2"}), "a, b: rendered differently"),
        (Rendered("1.1.0", {"a": "1"}), Rendered("1.1.0", {"a": "1", "b": "1"}), "b: rendered differently"),
    ],
    ids=["nothing changed", "a version for nothing", "a greater version", "a smaller version", "a new kind"],
)
def test_only_a_greater_version_may_render_something_else(before: Rendered, now: Rendered, expected: str) -> None:
    """Versions are compared as numbers; a kind that comes or goes is a change."""
    assert problem(before, now).startswith(expected)
    assert bool(problem(before, now)) == bool(expected)


def test_a_record_that_is_none_is_said(tmp_path: Path) -> None:
    """Its file and what writes it are named."""
    for text in ("{}", '{"version": "new", "kinds": {}}', '{"version": "1.0", "kinds": []}'):
        with pytest.raises(
            ShipwayError, match=r"rendered\.json: .*expected version and kinds as `python -m tools\.tem"
        ):
            recorded(text, tmp_path / "rendered.json")
