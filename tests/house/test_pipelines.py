"""Every command in a pipeline is one that there is, with options that it takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from shipway.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "templates" / "standalone" / "{{cookiecutter.name}}"
PIPELINES = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), ROOT / "docs" / "examples" / "gitlab-ci.yml"]
MAKEFILES = [ROOT / "Makefile", TEMPLATE / "Makefile"]


class _Loader(yaml.SafeLoader):
    """Takes GitLab's references for what they are: of no interest here."""


_Loader.add_constructor("!reference", lambda loader, node: "")


def scripts(node: Any) -> Iterator[str]:
    """Yields every text that a shell runs: GitHub's `run`, GitLab's scripts, and commands of a matrix."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("run", "script", "before_script"):
                yield "\n".join(value) if isinstance(value, list) else str(value)
            else:
                yield from scripts(value)
    elif isinstance(node, list):
        for one in node:
            yield from scripts(one)


def commands(path: Path, program: str) -> list[list[str]]:
    """Returns the words of each call of `program` in a pipeline."""
    found: list[list[str]] = []
    for text in scripts(yaml.load(path.read_text(encoding="utf-8"), _Loader)):
        for line in text.replace("\\\n", " ").splitlines():
            for call in re.findall(rf"(?:^|[;&(]\s*|- )\s*{program} ((?:[^|;&)<>\"]|\"[^\"]*\")*)", line):
                found.append(shlex.split(call))
    return found


VERBS: dict[str, click.Command] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_every_verb_and_every_option_is_there(path: Path) -> None:
    """What a pipeline calls, `shipway VERB --help` lists; what it requires is given."""
    for verb, *words in commands(path, "shipway"):
        assert verb in VERBS, f"shipway has no verb {verb}"
        options = {name: one for one in VERBS[verb].params for name in one.opts if name.startswith("--")}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= set(options), f"shipway {verb} has no {given - set(options)}"
        required = {one.opts[0] for one in options.values() if one.required}
        assert required <= given, f"shipway {verb} needs {required - given}"


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_every_target_and_every_variable_of_make_is_there(path: Path) -> None:
    """Both the platform's Makefile and a model's own have `setup`; each variable is one that the Makefile reads."""
    texts = [makefile.read_text(encoding="utf-8") for makefile in MAKEFILES]
    for target, *variables in commands(path, "make"):
        there = [text for text in texts if re.search(rf"^{target}:", text, flags=re.MULTILINE)]
        assert there, f"no Makefile has {target}"
        for variable in variables:
            assert f"$({variable.partition('=')[0]})" in there[0], variable


def test_the_pipelines_call_what_they_promise() -> None:
    """The reading above sees the calls: each of these is somewhere."""
    called = {words[0] for path in PIPELINES for words in commands(path, "shipway")}
    assert {"changed", "train", "check", "loadtest", "build", "release", "carry"} <= called
    assert {"setup", "preview"} <= {words[0] for path in PIPELINES for words in commands(path, "make")}


@pytest.mark.parametrize("path", PIPELINES[:-1], ids=lambda path: path.name)
def test_no_text_of_others_and_no_secret_is_put_into_a_command(path: Path) -> None:
    """A command's text is ours alone: names, branches and secrets reach it as variables of its environment."""
    for text in scripts(yaml.safe_load(path.read_text(encoding="utf-8"))):
        assert re.findall(r"\$\{\{(?! matrix\.run )", text) == []


@pytest.mark.parametrize("path", PIPELINES[:-1], ids=lambda path: path.name)
def test_every_job_has_no_more_rights_than_it_says(path: Path) -> None:
    """A workflow grants reading at most; what writes is one job, which names it and has a time limit."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert document["permissions"] in ({}, {"contents": "read"})
    for name, job in document["jobs"].items():
        assert "uses" in job or job["timeout-minutes"] <= 120, name
        if "write" in str(job.get("permissions", {}).get("contents", "")) and "uses" not in job:
            assert not [text for text in scripts(job) if "shipway " in text or "make " in text], name
