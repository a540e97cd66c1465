"""Whatever a person answers is refused with one sentence, or stands in every file as it was given."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from cookiecutter.generate import generate_context
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader

from shipway.contract.documents import parse
from shipway.contract.errors import SpecError
from shipway.contract.model import ModelSpec
from shipway.scaffold.answers import check_answers
from shipway.scaffold.card import load_card
from shipway.scaffold.rendering import Kind, kinds, render, template_folder

ROOT = Path(__file__).resolve().parents[2]
KINDS = kinds(template_folder(ROOT))
NASTY = {
    "an expression": "{{ 7*7 }}",
    "a statement": "{% for x in y %}",
    "a comment": "{# nothing #}",
    "a second line": "one\ntwo: three",
    "a carriage return": "one\rtwo",
    "an escape": "\x1b[2J",
    "nothing": "   ",
    "much": "x" * 100_000,
}
# A shell's, YAML's, Python's and Markdown's own marks, which are text to the template.
ODD = [
    "$(rm -rf ~)",
    "`touch here`; echo ${HOME}",
    'it\'s "quoted" \'\'\'twice\'\'\' """over"""',
    "a: b #c - d, [e] {f} &g *h !i |j >k %l @m",
    "ends in \\",
    "<script>alert(1)</script>",
    "größer ☃ 🚢 than 7*7 }} %} #}",
]


SUFFIXES = {".json", ".md", ".py", ".yaml"}


@cache
def environment(kind: Kind) -> tuple[Environment, list[str]]:
    """Returns cookiecutter's own environment for a kind, and the names of the documents that it renders."""
    folder = kind.folder / "{{cookiecutter.__package}}"
    found = create_env_with_context(generate_context(str(kind.folder / "cookiecutter.json")))
    found.loader = FileSystemLoader([folder, kind.folder / "templates"])
    return found, [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in SUFFIXES]


def documents(kind: Kind, answers: dict[str, str]) -> dict[str, str]:
    """Returns every document of a kind, rendered as cookiecutter does it but without its process."""
    context = generate_context(str(kind.folder / "cookiecutter.json"), extra_context=answers)
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    renderer, names = environment(kind)
    return {name: renderer.get_template(name).render(**context) for name in names}


@cache
def plain_documents(kind: Kind) -> dict[str, str]:
    """Returns the documents with every answer left at its default."""
    return documents(kind, {})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "templates").symlink_to(ROOT / "templates")
    return tmp_path


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=40) | st.sampled_from(ODD), st.text("ab c&-'\"`$|<{%:#\\", min_size=1, max_size=12))
@example("{ {", "a")
def test_an_answer_is_refused_or_carried_as_it_is(description: str, team: str) -> None:
    """Every document that says it is still a document, and says it to the letter; no code holds it at all."""
    answers = {"description": description, "team": team, "escalation": description}
    if check_answers(answers):
        return
    for kind in KINDS:
        found = documents(kind, answers)
        spec = parse(ModelSpec, yaml.safe_load(found["model.yaml"]), "model.yaml")
        assert (spec.description, spec.owner.team, spec.owner.escalation) == (description, team, description)
        assert yaml.safe_load(found["catalog-info.yaml"])["metadata"]["description"] == description
        yaml.safe_load(found["MODEL_CARD.md"].split("---\n")[1])
        for name, text in found.items():
            assert "<script" not in text or not name.endswith(".md"), name
            if name.endswith(".py"):
                ast.parse(text)
                assert text == plain_documents(kind)[name]


@pytest.mark.parametrize("answer", NASTY)
def test_a_nasty_answer_makes_nothing(project: Path, answer: str) -> None:
    """`shipway new` refuses it by its key, in one line that is short enough to read."""
    for key in ("description", "team", "contact", "escalation", "runbook_url"):
        with pytest.raises(SpecError) as refused:
            render(project, {"name": "churn", key: NASTY[answer]})
        assert str(refused.value).startswith(f"shipway new: {key}: got ")
        assert len(str(refused.value).splitlines()) == 1
        assert len(str(refused.value)) < 500
    assert not (project / "services").exists()


def plain(tmp_path: Path, kind: Kind, **answers: str) -> subprocess.CompletedProcess[str]:
    """Runs plain cookiecutter, which has no eyes but the template's hook."""
    given_answers = [f"{key}={answer}" for key, answer in {"name": "churn", **answers}.items()]
    command = [sys.executable, "-m", "cookiecutter", kind.folder, "--no-input", "-o", tmp_path / "services"]
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"replay_dir: {tmp_path / 'replay'}\n", encoding="utf-8")
    return subprocess.run(
        [*map(str, command), "--config-file", str(settings), *given_answers],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("answer", ["an expression", "a second line", "much"])
def test_plain_cookiecutter_refuses_a_nasty_answer(tmp_path: Path, answer: str) -> None:
    """Its hook speaks the same sentence, and the folder is gone again."""
    done = plain(tmp_path, KINDS[0], description=NASTY[answer])
    assert done.returncode != 0
    assert "error: shipway new: description: got " in done.stdout + done.stderr
    assert list((tmp_path / "services").iterdir()) == []


def test_an_odd_answer_runs_nowhere(tmp_path: Path) -> None:
    """What a shell would run is text in the files of plain cookiecutter, and nothing has run it on the way."""
    description = f"$(touch {tmp_path}/ran) `touch {tmp_path}/ran` '; touch {tmp_path}/ran #"[:200]
    done = plain(tmp_path, KINDS[0], description=description)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "services" / "churn"
    assert yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))["description"] == description
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_catalogues_can_read_what_is_rendered(project: Path, kind: Kind) -> None:
    """The card's front matter is as the Hub reads it; the component has what Backstage demands of one."""
    folder = render(project, {"name": "churn", "team": "Growth & Co"}, kind=kind.name)
    card = load_card(folder / "MODEL_CARD.md")
    assert card.index[0].name == "churn"
    assert card.index[0].results, "the sample is measured"
    component = yaml.safe_load((folder / "catalog-info.yaml").read_text(encoding="utf-8"))
    assert (component["apiVersion"], component["kind"]) == ("backstage.io/v1alpha1", "Component")
    assert component["metadata"]["name"] == "churn"
    assert {"type", "lifecycle", "owner"} <= set(component["spec"])
    assert component["spec"]["owner"] == "group:default/growth-co"
