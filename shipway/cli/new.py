"""`shipway new`: the next model, rendered from the project's template, or made whole from a CSV."""

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shipway.cli.context import emit, progress, project
from shipway.contract.errors import SpecError

if TYPE_CHECKING:
    from shipway.scaffold.rendering import Kind

__all__ = ["register"]

_EXAMPLE = """Example: shipway new --no-input --kind tabular-classification --name churn --team growth \
--description "Will this customer leave?"

Example: shipway new --from-csv customers.csv --target has_left --leave-out country"""

_Text = str | None
_Kind = Annotated[_Text, typer.Option(help="Kind of model, one of those that the template names.")]
_Name = Annotated[_Text, typer.Option(help="Name of the model: lower-case words joined by hyphens.")]
_Description = Annotated[_Text, typer.Option(help="What it predicts, in one sentence.")]
_Team = Annotated[_Text, typer.Option(help="Team that owns it.")]
_Contact = Annotated[_Text, typer.Option(help="Where to write to the team.")]
_Escalation = Annotated[_Text, typer.Option(help="Whom to wake at night.")]
_RunbookUrl = Annotated[_Text, typer.Option(help="Address of its runbook.")]
_Standalone = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Make a repository of its own there, for the same platform.")
]
_PlatformRepository = Annotated[
    _Text,
    typer.Option(metavar="OWNER/NAME", help="With --standalone: this platform's on GitHub; else as origin says."),
]
_FromCsv = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Make all of it from examples, one a row, with --target.")
]
_Target = Annotated[_Text, typer.Option(metavar="COLUMN", help="With --from-csv: the column to predict.")]
_Time = Annotated[str, typer.Option(metavar="COLUMN", help="With --from-csv: the column that says when a row was.")]
_LeaveOut = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="With --from-csv: a column that is no field; repeatable.")
]
_Keep = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="With --from-csv: a column that is a field; repeatable.")
]
_NoInput = Annotated[bool, typer.Option("--no-input", help="Ask nothing; defaults for what is not given.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]


def register(app: typer.Typer) -> None:
    """Adds `new` to `app`."""
    app.command(epilog=_EXAMPLE)(new)


def new(
    kind: _Kind = None,
    name: _Name = None,
    description: _Description = None,
    team: _Team = None,
    contact: _Contact = None,
    escalation: _Escalation = None,
    runbook_url: _RunbookUrl = None,
    standalone: _Standalone = None,
    platform_repository: _PlatformRepository = None,
    from_csv: _FromCsv = None,
    target: _Target = None,
    time: _Time = "",
    leave_out: _LeaveOut = None,
    keep: _Keep = None,
    no_input: _NoInput = False,
    as_json: _AsJson = False,
) -> None:
    """Make a new model service in services/, or a repository around one: at most seven questions; of a CSV, none."""
    root = project()
    if platform_repository is not None and standalone is None:
        raise SpecError("shipway new", "--platform-repository", platform_repository, "--standalone DIR beside it")
    given = {
        "name": name,
        "description": description,
        "team": team,
        "contact": contact,
        "escalation": escalation,
        "runbook_url": runbook_url,
    }
    answers = {key: value for key, value in given.items() if value is not None}
    _check_place(root, standalone)
    if from_csv is not None:
        columns = {"leave_out": tuple(leave_out or ()), "keep": tuple(keep or ()), "time": time}
        options = {"kind": kind or "", "target": target, **columns}
        _from_csv(root, from_csv, options, answers, standalone, platform_repository, as_json=as_json)
        return
    if target or time or leave_out or keep:
        raise SpecError("shipway new", "--from-csv", None, "a file beside --target, --time, --leave-out and --keep")
    chosen = _choose(root, kind, answers, ask=not no_input)
    folder = _render(root, answers, chosen, standalone, platform_repository)
    told = "put your data into {0}/train.py and your fields into {0}/schema.py"
    _tell(standalone or root, folder, told, [], {}, is_own=standalone is not None, as_json=as_json)


def _check_place(root: Path, standalone: Path | None) -> None:
    """Raises SpecError where a service cannot be put, before anything is asked or made."""
    from shipway.scaffold.codeowners import check_codeowners
    from shipway.scaffold.standalone import check_place

    if standalone is None:
        check_codeowners(root)
    else:
        check_place(root, standalone)


def _choose(root: Path, name: str | None, answers: dict[str, str], *, ask: bool) -> "Kind":
    """Returns the kind of model; puts into `answers` what a person says, where one may be asked."""
    from shipway.scaffold.naming import check_new_name
    from shipway.scaffold.rendering import find_kind, kinds, questions, template_folder

    template = template_folder(root)
    if not ask:
        return find_kind(template, name or "")
    if name is None:
        known = kinds(template)
        width = max(len(each.name) for each in known)
        progress("\n".join(f"  {each.name:{width}}  {each.description}" for each in known))
        name = typer.prompt("Kind of model", default=known[0].name, err=True)
    chosen = find_kind(template, name or "")
    for key, text, default in questions(chosen):
        if key not in answers:
            # A default that refers to an earlier answer is the template's to fill in.
            answer = typer.prompt(text, default="" if "{{" in default else default, err=True)
            answers |= {key: answer} if answer else {}
        if key == "name" and (problem := check_new_name(answers["name"], root / "services")):
            raise SpecError("shipway new", "name", answers["name"], problem)
    return chosen


def _render(root: Path, answers: dict[str, str], kind: "Kind", standalone: Path | None, repository: str | None) -> Path:
    """Returns the folder of the new service, in `root` or in a repository of its own."""
    from shipway.scaffold.codeowners import write_codeowners
    from shipway.scaffold.rendering import render

    if standalone is not None:
        return _standalone_renderer(root, standalone, repository)(answers, kind.name, None)
    folder = render(root, answers, kind=kind.name)
    write_codeowners(root)
    return folder


def _standalone_renderer(
    root: Path, folder: Path, repository: str | None
) -> Callable[[Mapping[str, str], str, Callable[[Path], None] | None], Path]:
    """Returns what renders a repository of its own at `folder`, given answers, kind and what fills the service."""
    from shipway.scaffold.standalone import render_standalone

    platform = repository or _origin(root)
    return lambda answers, kind, fill: render_standalone(
        root, folder, answers, repository=platform, kind=kind, fill=fill
    )


def _from_csv(
    root: Path,
    path: Path,
    options: dict[str, Any],
    answers: dict[str, str],
    standalone: Path | None,
    repository: str | None,
    *,
    as_json: bool,
) -> None:
    from shipway.scaffold.codeowners import write_codeowners
    from shipway.scaffold.inferred.decisions import Options
    from shipway.scaffold.inferred.making import make_service

    if options["target"] is None:
        raise SpecError("shipway new", "--target", None, "the column to predict beside --from-csv")
    elsewhere = None if standalone is None else _standalone_renderer(root, standalone, repository)
    today = datetime.now(UTC).date()
    made = make_service(root, path, Options(**options), answers, today, progress, elsewhere=elsewhere)
    if standalone is None:
        write_codeowners(root)
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
    told = "its fields are in {0}/schema.py, its model in {0}/train.py"
    is_own = standalone is not None
    _tell(standalone or root, made.folder, told, made.story(), result, is_own=is_own, as_json=as_json)


def _tell(
    root: Path,
    folder: Path,
    told: str,
    story: Sequence[str],
    result: dict[str, Any],
    *,
    is_own: bool,
    as_json: bool,
) -> None:
    """Prints where the service is, how it came about, and what to do next; `is_own` for a repository of its own."""
    model, where = folder.name.replace("_", "-"), str(folder.relative_to(root))
    shown = str(folder) if is_own else where
    commands = [
        *([f"cd {shlex.quote(str(root))}", "make setup", ". .shipway/env"] if is_own else []),
        f"pytest {where}",
        f"shipway train {model}",
        f'shipway release {model} DIGEST --env local --reason "first version"',
        "pulumi up -s local",
    ]
    progress(f"made {where}; {told.format(where)}")
    lines = [shown, "", *story, *([""] if story else []), "next:", *(f"  {command}" for command in commands)]
    emit({"model": model, "folder": shown, "next": commands, **result}, "\n".join(lines), as_json=as_json)


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
