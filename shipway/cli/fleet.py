"""`shipway fleet status` and `shipway fleet update`: many services, one template."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shipway.cli.context import emit, progress, project, table
from shipway.contract.errors import ShipwayError, SpecError

if TYPE_CHECKING:
    from shipway.scaffold.fleet.proposing import Request
    from shipway.scaffold.fleet.repository import Repository
    from shipway.scaffold.fleet.status import ServiceStatus
    from shipway.scaffold.fleet.update import Options, Update

__all__ = ["register"]

Json = Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")]


def register(app: typer.Typer) -> None:
    """Adds the group `fleet` to `app`."""
    fleet = typer.Typer(help="See how far services are behind their template, and bring them up to it.")
    fleet.command(epilog="Example: shipway fleet status --json")(status)
    fleet.command(epilog="Example: shipway fleet update churn --dry-run; shipway fleet update --all --pr")(update)
    app.add_typer(fleet, name="fleet", no_args_is_help=True)


def status(as_json: Json = False) -> None:
    """List services with their template and contract; exit code 1 when one would not deploy or cannot be read."""
    from shipway.contract.compatibility import CONTRACT_VERSION
    from shipway.scaffold.fleet.pristine import template_version
    from shipway.scaffold.fleet.status import fleet_folders, service_status
    from shipway.scaffold.rendering import kinds, template_folder

    root = project()
    known = kinds(template_folder(root))
    found = [service_status(folder, known) for folder in fleet_folders(root)]
    newest = template_version(known[0])
    result = {
        "template_version": newest,
        "contract_version": CONTRACT_VERSION,
        "services": [asdict(one) for one in found],
    }
    lines = [f"template {newest}, contract {CONTRACT_VERSION}"]
    head = ("MODEL", "KIND", "TEMPLATE", "CONTRACT", "EDITED BY HAND")
    lines += [table(head, [_row(one) for one in found]) if found else "no services"]
    lines += [problem for one in found for problem in one.problems]
    emit(result, "\n".join(lines), as_json=as_json)
    if not all(one.deploys for one in found):
        raise typer.Exit(1)


def update(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL...]", help="the models; or --all")] = None,
    all_models: Annotated[bool, typer.Option("--all", help="every service of the project")] = False,
    pull_request: Annotated[bool, typer.Option("--pr", help="push each branch and open its pull request")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would come out, and write no branch")] = False,
    no_tests: Annotated[bool, typer.Option("--no-tests", help="do not run the services' own tests")] = False,
    test_seconds: Annotated[float, typer.Option(min=1, help="how long the tests of one service may take")] = 900,
    base: Annotated[str, typer.Option(help="the branch or commit to update from")] = "HEAD",
    old_template: Annotated[
        Path | None, typer.Option(help="a folder with the template the services came from, where git has it not")
    ] = None,
    without_base: Annotated[
        bool,
        typer.Option("--without-base", help="where nobody has the old rendering: each file that differs conflicts"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge the new template into services, a branch each: hand edits stay, conflicts show, and exit code 1 says so."""
    from shipway.scaffold.fleet.pristine import current_template
    from shipway.scaffold.fleet.repository import open_repository
    from shipway.scaffold.fleet.update import Options

    root = project()
    folders = _chosen(root, models or [], all_models=all_models)
    repository = open_repository(root, base)
    options = Options(
        tests=not (no_tests or dry_run),
        tests_limit_seconds=test_seconds,
        dry_run=dry_run,
        old_template=old_template,
        without_base=without_base,
        ask_origin=pull_request,
    )
    shown: list[dict[str, Any]] = []
    settled = True
    with current_template(repository) as template:
        for number, folder in enumerate(folders, 1):
            progress(f"[{number}/{len(folders)}] {folder.name.replace('_', '-')}")
            made = _one(repository, template, folder, options, alone=len(folders) == 1)
            one, fine = _shown(repository, made, pull_request=pull_request and not dry_run, dry_run=dry_run)
            shown.append(one)
            settled = settled and fine
    text = "\n".join(_text(one, dry_run=dry_run) for one in shown) or "no services"
    emit({"base": repository.base, "dry_run": dry_run, "services": shown}, text, as_json=as_json)
    if not settled:
        raise typer.Exit(1)


def _chosen(root: Path, models: list[str], *, all_models: bool) -> list[Path]:
    from shipway.scaffold.fleet.status import fleet_folders

    known = {folder.name.replace("_", "-"): folder for folder in fleet_folders(root)}
    if bool(models) == all_models:
        raise SpecError("the command line", "MODEL", models or "nothing", "names of models, or --all")
    for model in models:
        if model not in known:
            names = ", ".join(known) or "none"
            raise ShipwayError(f"no model {model!r} in {root / 'services'}; known models: {names}")
    return [known[model] for model in dict.fromkeys(models)] if models else list(known.values())


def _one(repository: "Repository", template: Any, folder: Path, options: "Options", *, alone: bool) -> "Update":
    from shipway.scaffold.fleet.update import State, Update, update_service

    try:
        return update_service(repository, template, folder, options, progress)
    except ShipwayError as error:
        # One service that cannot be updated keeps no other from it.
        if alone:
            raise
        return Update(folder.name.replace("_", "-"), State.REFUSED, notes=(str(error),))


def _shown(
    repository: "Repository", made: "Update", *, pull_request: bool, dry_run: bool
) -> tuple[dict[str, Any], bool]:
    """Returns what is shown of one service, and whether nothing is left to do but to review."""
    from shipway.scaffold.fleet.proposing import command, open_request

    request = _request(made)
    address, following, fine = "", "", made.state.settled
    if request and not dry_run:
        following = command(repository, request)
        if pull_request:
            try:
                address = open_request(repository, request)
                made = made if address else replace(made, notes=(*made.notes, "gh is not installed"))
            except ShipwayError as error:
                made, fine = replace(made, notes=(*made.notes, str(error))), False
    shown = asdict(made)
    del shown["proposed"]
    shown |= {"pull_request": address, "next": "" if address else following}
    return shown, fine


def _request(made: "Update") -> "Request | None":
    from shipway.scaffold.fleet.proposing import Request
    from shipway.scaffold.fleet.reviewing import message

    if made.proposed is None:
        return None
    title, _, body = message(made.proposed).partition("\n\n")
    return Request(made.branch, title, body, draft=not made.state.settled)


def _row(one: "ServiceStatus") -> tuple[str, ...]:
    edits = "unknown"
    if one.edits:
        told = {"changed": one.edits.changed, "deleted": one.edits.deleted, "added": one.edits.added}
        said = ", ".join(f"{count} {what}" for what, count in told.items() if count)
        edits = f"{said or 'none'} of {one.edits.rendered}"
    template = f"{one.template_version or 'unknown'} ({one.template})" if one.template else "unknown"
    contract = f"{one.contract_version} ({one.contract})" if one.contract else "unknown"
    return one.model, one.kind or "unknown", template, contract, edits


def _text(one: dict[str, Any], *, dry_run: bool) -> str:
    lines = [f"{one['model']}: {'would be ' if dry_run and one['changed'] else ''}{one['state']}"]
    if one["before"] and one["before"] != one["after"]:
        lines[0] += f", template {one['before']} -> {one['after']}"
    if one["branch"] and not dry_run:
        lines[0] += f", branch {one['branch']}, tests {one['tests']}"
    lines += [f"  conflict: {each['path']}: {each['message']}" for each in one["conflicts"]]
    lines += [f"  note: {note}" for note in one["notes"]]
    lines += [f"  | {line}" for line in one["tail"].splitlines()]
    if one["pull_request"]:
        lines.append(f"  pull request: {one['pull_request']}")
    elif one["next"]:
        lines.append(f"  next: {one['next']}")
    return "\n".join(lines)
