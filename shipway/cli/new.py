"""`shipway new`: the next model, rendered from the project's template."""

<<<<<<< HEAD
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
=======
import re
import shlex
import subprocess
from pathlib import Path
from typing import Annotated
>>>>>>> main

import typer

from shipway.cli.context import emit, progress, project
from shipway.contract.errors import SpecError

__all__ = ["register"]

_EXAMPLE = """Example: shipway new --no-input --kind tabular-classification --name churn --team growth \
--description "Will this customer leave?"

Example: shipway new --from-csv customers.csv --target has_left --leave-out country"""

_Csv = Annotated[
    Path | None,
    typer.Option("--from-csv", metavar="FILE", help="Make all of it from examples: one a row, with --target."),
]
_Target = Annotated[str | None, typer.Option(metavar="COLUMN", help="With --from-csv: the column to predict.")]
_Time = Annotated[str, typer.Option(metavar="COLUMN", help="With --from-csv: the column that says when a row was.")]
_LeaveOut = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="With --from-csv: a column that is no field; repeatable.")
]
_Keep = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="With --from-csv: a column that is a field; repeatable.")
]


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
<<<<<<< HEAD
    from_csv: _Csv = None,
    target: _Target = None,
    time: _Time = "",
    leave_out: _LeaveOut = None,
    keep: _Keep = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; defaults for what is not given.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
) -> None:
    """Make a new model service in services/ from the template: at most seven questions, or none and a CSV."""
=======
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
>>>>>>> main
    from shipway.scaffold.naming import check_new_name
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
    if from_csv is not None:
        columns = {"kind": kind or "", "leave_out": leave_out or (), "keep": keep or (), "time": time}
        _from_csv(root, from_csv, target, columns, answers, as_json=as_json)
        return
    if target or time or leave_out or keep:
        raise SpecError("shipway new", "--from-csv", None, "a file beside --target, --time, --leave-out and --keep")
    if kind is None and not no_input:
        known = kinds(template)
        width = max(len(each.name) for each in known)
        progress("\n".join(f"  {each.name:{width}}  {each.description}" for each in known))
        kind = typer.prompt("Kind of model", default=known[0].name, err=True)
    chosen = find_kind(template, kind or "")
    if not no_input:
        for key, text, default in questions(chosen):
            if key not in answers:
                # A default that refers to an earlier answer is the template's to fill in.
                answer = typer.prompt(text, default="" if "{{" in default else default, err=True)
                answers |= {key: answer} if answer else {}
            if key == "name" and (problem := check_new_name(answers["name"], root / "services")):
                raise SpecError("shipway new", "name", answers["name"], problem)
<<<<<<< HEAD
    folder = render(root, answers, kind=chosen.name)
    where = str(folder.relative_to(root))
    progress(f"made {where}; put your data into {where}/train.py and your fields into {where}/schema.py")
    _tell(root, folder, [], {}, as_json=as_json)


def _from_csv(
    root: Path, path: Path, target: str | None, columns: dict[str, Any], answers: dict[str, str], *, as_json: bool
) -> None:
    from shipway.scaffold.inferred.decisions import Options
    from shipway.scaffold.inferred.making import make_service

    if target is None:
        raise SpecError("shipway new", "--target", None, "the column to predict beside --from-csv")
    listed = {key: tuple(value) if key in ("leave_out", "keep") else value for key, value in columns.items()}
    made = make_service(root, path, Options(target=target, **listed), answers, datetime.now(UTC).date(), progress)
    for warning in made.warnings:
        progress(f"warning: {warning}")
    result = {
        "task": made.inference.target.task.value,
        "fields": [one.model_dump(mode="json", exclude_none=True) for one in made.inference.schema.fields],
        "left_out": {one.column: one.why for one in made.inference.left_out},
        "metrics": made.measured.metrics,
        "gate": made.gate.model_dump(mode="json", exclude_none=True),
        "warnings": list(made.warnings),
    }
    _tell(root, made.folder, made.story(), result, as_json=as_json)


def _tell(root: Path, folder: Path, story: list[str], result: dict[str, Any], *, as_json: bool) -> None:
    """Prints where the service is, how it came about, and what to do next."""
    model, where = folder.name.replace("_", "-"), str(folder.relative_to(root))
    commands = [
=======
    if standalone is not None:
        repository = platform_repository or _origin(root)
        folder = render_standalone(root, standalone, answers, repository=repository, kind=chosen.name)
        root = standalone
    else:
        folder = render(root, answers, kind=chosen.name)
        write_codeowners(root)
    model = folder.name.replace("_", "-")
    where, shown = str(folder.relative_to(root)), str(folder if standalone is not None else folder.relative_to(root))
    next_commands = [
        *([f"cd {shlex.quote(str(root))}", "make setup", ". .shipway/env"] if standalone is not None else []),
>>>>>>> main
        f"pytest {where}",
        f"shipway train {model}",
        f'shipway release {model} DIGEST --env local --reason "first version"',
        "pulumi up -s local",
    ]
<<<<<<< HEAD
    text = "\n".join([where, "", *story, *([""] if story else []), "next:", *(f"  {command}" for command in commands)])
    emit({"model": model, "folder": where, "next": commands, **result}, text, as_json=as_json)
=======
    progress(f"made {where}; put your data into {where}/train.py and your fields into {where}/schema.py")
    text = "\n".join([shown, "", "next:", *(f"  {command}" for command in next_commands)])
    emit(
        {"model": model, "folder": shown, "next": next_commands},
        text,
        as_json=as_json,
    )


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
>>>>>>> main
