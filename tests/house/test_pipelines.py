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

from shipway.checks.loaded import MEASURED_BY
from shipway.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "templates" / "standalone" / "{{cookiecutter.name}}"
PIPELINES = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), ROOT / "docs" / "examples" / "gitlab-ci.yml"]
GITLAB = PIPELINES[-1]
CALLERS = sorted((TEMPLATE / ".github" / "workflows").glob("*.yml"))
MAKEFILES = [ROOT / "Makefile", TEMPLATE / "Makefile"]


class Loader(yaml.SafeLoader):
    """Takes GitLab's references for what they are: of no interest here."""


Loader.add_constructor("!reference", lambda loader, node: "")


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


def calls(node: Any, program: str) -> list[list[str]]:
    """Returns the words of each call of `program` in what a pipeline's document holds."""
    found: list[list[str]] = []
    for text in scripts(node):
        for line in text.replace("\\\n", " ").splitlines():
            for call in re.findall(rf"(?:^|[;&(]\s*|- )\s*{program} ((?:[^|;&)<>\"]|\"[^\"]*\")*)", line):
                found.append(shlex.split(call))
    return found


def commands(path: Path, program: str) -> list[list[str]]:
    """Returns the words of each call of `program` in a pipeline."""
    return calls(yaml.load(path.read_text(encoding="utf-8"), Loader), program)


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


def of_verb(path: Path, verb: str) -> list[int]:
    """Returns the places of the calls of `verb` among those of `shipway` in a pipeline."""
    return [place for place, words in enumerate(commands(path, "shipway")) if words[0] == verb]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_a_check_comes_after_the_load_tests_that_it_reads(path: Path) -> None:
    """Before them latency and cost have no evidence: who declares a bound would be stopped for ever."""
    called = commands(path, "shipway")
    for place in of_verb(path, "check"):
        words = called[place]
        before = [one for one in called[:place] if one[0] == "loadtest"]
        if before and "--digest" in words:
            assert "--required" in before[-1], "the tests that model.yaml demands, whichever they are"
            assert "--without" not in words
        else:
            left_out = {words[at + 1] for at, word in enumerate(words) if word == "--without"}
            assert left_out == set(map(str, MEASURED_BY)), words
    for place in of_verb(path, "release"):
        assert of_verb(path, "check")
        assert max(of_verb(path, "loadtest")) < max(of_verb(path, "check")) < place


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_who_releases_is_a_person(path: Path) -> None:
    """A release says who made it, so that another one agrees: the login name of a runner is the same for everybody."""
    if of_verb(path, "release") or of_verb(path, "carry"):
        person = "$GITLAB_USER_LOGIN" if path == GITLAB else "${{ github.actor }}"
        assert f"SHIPWAY_ACTOR: {person}\n" in path.read_text(encoding="utf-8")


def test_every_variable_that_gitlab_is_told_of_is_read() -> None:
    """By a script, or by Shipway itself; and every variable of the scripts' own that a person has to set is named."""
    text = GITLAB.read_text(encoding="utf-8")
    told = set(
        re.findall(r"\b[A-Z][A-Z_]{3,}\b", "\n".join(line for line in text.splitlines() if line.startswith("#")))
    )
    told -= {"DOCKER", "PATH"}
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    own = "\n".join(each.read_text(encoding="utf-8") for each in (ROOT / "shipway").rglob("*.py"))
    assert {"SHIPWAY_ROLE_ARN", "SHIPWAY_SIGNING_KEY", "REASON"} <= told
    assert not {name for name in told if f"${name}" not in code and f'"{name}"' not in own}
    assert set(re.findall(r"\$\{?(SHIPWAY_\w+|AWS_\w+|CI_PUSH\w+)", code)) <= told


def test_what_gitlab_shows_beside_a_merge_request_has_plain_paths() -> None:
    """It refuses the whole file for a `*` in the paths of `expose_as`, and shows nothing of a path with a variable."""
    jobs = yaml.load(GITLAB.read_text(encoding="utf-8"), Loader)
    shown = [
        one["artifacts"]
        for one in jobs.values()
        if "expose_as" in (one.get("artifacts", {}) if isinstance(one, dict) else {})
    ]
    assert len(shown) == 2
    assert not [path for one in shown for path in one["paths"] if set(path) & set("*$")]


@pytest.mark.parametrize("path", PIPELINES[:-1], ids=lambda path: path.name)
def test_a_step_fails_where_a_program_in_it_does(path: Path) -> None:
    """Unnamed, GitHub's bash looks at the last program of a pipe alone; and `echo` succeeds whatever it is made of."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    if any("run" in step for job in document["jobs"].values() for step in job.get("steps", ())):
        assert document["defaults"] == {"run": {"shell": "bash"}}
    for text in scripts(document):
        assert not re.search(r"\b(echo|export|printf) [^\n]*\$\(", text), text


def test_a_table_of_checks_is_shown_above_all_where_they_fail() -> None:
    """A step of its own writes the summary, whatever became of the one before."""
    steps = [
        step
        for path in PIPELINES[:-1]
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        for step in job.get("steps", ())
        if "GITHUB_STEP_SUMMARY" in step.get("run", "")
    ]
    assert steps
    for step in steps:
        assert "!cancelled()" in step["if"]
        assert "shipway" not in step["run"]


def test_every_secret_is_documented_where_it_can_be_read() -> None:
    """A job that calls a workflow has no environment: of an environment's secrets it would hand over nothing."""
    rows = re.findall(r"^\| secrets? ([^|]*) \|", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), re.MULTILINE)
    of_environment = {name for row in rows if "environment" in row for name in re.findall(r"`(\w+)`", row)}
    of_repository = {name for row in rows if "repository" in row for name in re.findall(r"`(\w+)`", row)}
    read: set[str] = set()
    for path in (*PIPELINES[:-1], *CALLERS):
        text = re.sub(r"{% (?:end)?raw %}|{{ (cookiecutter\.\w+) }}", r"\1", path.read_text(encoding="utf-8"))
        for name, job in yaml.safe_load(text)["jobs"].items():
            secrets = set(re.findall(r"secrets\.([A-Z_]+)", str(job)))
            read |= secrets
            if "environment" not in job:
                assert not secrets & of_environment - of_repository, f"{path.name}: {name}"
    assert read == of_repository | of_environment


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
            assert not [*calls(job, "shipway"), *calls(job, "make")], name
