"""`shipway new`: the next model, rendered from the project's template."""

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.context import emit, progress, project
from shipway.contract.errors import SpecError

__all__ = ["register"]

_EXAMPLE = """Example: shipway new --no-input --kind tabular-classification --name churn --team growth \
--description "Will this customer leave?" """


def register(app: typer.Typer) -> None:
    """Adds `new` to `app`."""
    app.command(epilog=_EXAMPLE)(new)


def new(
    kind: Annotated[str | None, typer.Option(help="Kind of model, one of those that the template names.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model: lower-case words joined by hyphens.")] = None,
    description: Annotated[str | None, typer.Option(help="What it predicts, in one sentence.")] = None,
    team: Annotated[str | None, typer.Option(help="Team that owns it.")] = None,
    contact: Annotated[str | None, typer.Option(help="Where to write to the team.")] = None,
    escalation: Annotated[str | None, typer.Option(help="Whom to wake at night.")] = None,
    runbook_url: Annotated[str | None, typer.Option(help="Address of its runbook.")] = None,
    standalone: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Make a repository of its own there, for the same platform.")
    ] = None,
    platform_repository: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="With --standalone: this platform's on GitHub; else as origin says."),
    ] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; defaults for what is not given.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
) -> None:
    """Make a new model service in services/ from the template, or a repository around one: at most seven questions."""
    from shipway.scaffold.codeowners import write_codeowners
    from shipway.scaffold.rendering import find_kind, kinds, questions, render, template_folder

    root = project()
    if standalone is not None:
        from shipway.scaffold.standalone import check_place, render_standalone

        check_place(root, standalone)
    elif platform_repository is not None:
        raise SpecError("shipway new", "--platform-repository", platform_repository, "--standalone DIR beside it")
    template = template_folder(root)
    given = {
        "name": name,
        "description": description,
        "team": team,
        "contact": contact,
        "escalation": escalation,
        "runbook_url": runbook_url,
    }
    answers = {key: value for key, value in given.items() if value is not None}
    if kind is None and not no_input:
        known = kinds(template)
        width = max(len(each.name) for each in known)
        progress("\n".join(f"  {each.name:{width}}  {each.description}" for each in known))
        kind = typer.prompt("Kind of model", default=known[0].name, err=True)
    chosen = find_kind(template, kind or "")
    if not no_input:
        answers |= _ask(questions(chosen), answers, root / "services")
    if standalone is not None:
        repository = platform_repository or _origin(root)
        _told(render_standalone(root, standalone, answers, repository=repository, kind=chosen.name), root, as_json)
    else:
        folder = render(root, answers, kind=chosen.name)
        write_codeowners(root)
        _told(folder, root, as_json)


def _ask(asked: Sequence[tuple[str, str, str]], given: Mapping[str, str], services: Path) -> dict[str, str]:
    """Returns the answers to what is not given; a name that cannot be is refused before the next question."""
    from shipway.scaffold.naming import check_new_name

    answers = dict(given)
    for key, text, default in asked:
        if key not in answers:
            # A default that refers to an earlier answer is the template's to fill in.
            answer = typer.prompt(text, default="" if "{{" in default else default, err=True)
            answers |= {key: answer} if answer else {}
        if key == "name" and (problem := check_new_name(answers["name"], services)):
            raise SpecError("shipway new", "name", answers["name"], problem)
    return answers


def _told(folder: Path, root: Path, as_json: bool) -> None:
    """Says where the service is and what comes next; a repository of its own is entered first."""
    inside = folder.is_relative_to(root)
    home = root if inside else folder.parents[1]
    model, where = folder.name.replace("_", "-"), str(folder.relative_to(home))
    shown = where if inside else str(folder)
    next_commands = [
        *([] if inside else [f"cd {shlex.quote(str(home))}", "make setup", ". .shipway/env"]),
        f"pytest {where}",
        f"shipway train {model}",
        f'shipway release {model} DIGEST --env local --reason "first version"',
        "pulumi up -s local",
    ]
    progress(f"made {shown}; put your data into {where}/train.py and your fields into {where}/schema.py")
    text = "\n".join([shown, "", "next:", *(f"  {command}" for command in next_commands)])
    emit({"model": model, "folder": shown, "next": next_commands}, text, as_json=as_json)


def _origin(root: Path) -> str:
    """Returns OWNER/NAME of the repository on GitHub that `root` was cloned from.

    Raises:
        SpecError: when it was cloned from nowhere there.
    """
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    found = re.search(r"github\.com[:/]([^/\s]+/[^/\s]+?)(?:\.git)?/?$", told)
    if found is None:
        expected = "OWNER/NAME on GitHub: origin does not say it, and the new repository calls its workflows"
        raise SpecError("shipway new", "--platform-repository", None, expected)
    return found[1]
