"""`shipway new`: the next model, rendered from the project's template."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

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
    from_csv: _Csv = None,
    target: _Target = None,
    time: _Time = "",
    leave_out: _LeaveOut = None,
    keep: _Keep = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; defaults for what is not given.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
) -> None:
    """Make a new model service in services/ from the template: at most seven questions, or none and a CSV."""
    from shipway.scaffold.naming import check_new_name
    from shipway.scaffold.rendering import find_kind, kinds, questions, render, template_folder

    root = project()
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
        f"pytest {where}",
        f"shipway train {model}",
        f'shipway release {model} DIGEST --env local --reason "first version"',
        "pulumi up -s local",
    ]
    text = "\n".join([where, "", *story, *([""] if story else []), "next:", *(f"  {command}" for command in commands)])
    emit({"model": model, "folder": where, "next": commands, **result}, text, as_json=as_json)
