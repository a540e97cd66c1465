"""`shipway new`: the next model, rendered from the project's template."""

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
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; defaults for what is not given.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
) -> None:
    """Make a new model service in services/ from the template: at most seven questions."""
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
    model = folder.name.replace("_", "-")
    where = str(folder.relative_to(root))
    next_commands = [
        f"pytest {where}",
        f"shipway train {model}",
        f'shipway release {model} DIGEST --env local --reason "first version"',
        "pulumi up -s local",
    ]
    progress(f"made {where}; put your data into {where}/train.py and your fields into {where}/schema.py")
    text = "\n".join([where, "", "next:", *(f"  {command}" for command in next_commands)])
    emit({"model": model, "folder": where, "next": next_commands}, text, as_json=as_json)
