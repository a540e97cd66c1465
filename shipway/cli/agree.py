"""`shipway agree`: a second person's word on a bundle, in its record in git, before it deploys to a cluster."""

import shlex
from typing import Annotated

import typer

from shipway.cli.context import actor, emit, project, service
from shipway.contract.record import load_record, record_path, save_record
from shipway.contract.release import check_digest, short_digest
from shipway.delivery.controller import Refused

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verb to `app`."""
    app.command(epilog="Example: SHIPWAY_ACTOR=grace shipway agree flight-delay sha256:0123...")(agree)


def agree(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    digest: Annotated[str, typer.Argument(help="the bundle: sha256: and 64 hexadecimal digits")],
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Agree to a bundle that somebody else released: typed on the release's branch, and committed there."""
    root, who = project(), actor()
    folder, _ = service(root, model)
    record = load_record(folder, check_digest(digest, "the command line", "DIGEST"))
    named = f"{short_digest(digest)} of {model}"
    if who == record.submitted_by:
        raise Refused(f"{who} submitted {named}; another person agrees to it (SHIPWAY_ACTOR says who acts)")
    changed = not record.approved_by
    if changed:
        save_record(folder, record.model_copy(update={"approved_by": who}))
    by = who if changed else record.approved_by
    path = record_path(folder, digest).relative_to(root).as_posix()
    following = f"git commit --message {shlex.quote(f'Agree to {named}')} {path}" if changed else ""
    result = {
        "model": model,
        "digest": digest,
        "submitted_by": record.submitted_by,
        "approved_by": by,
        "changed": changed,
        "next": following,
    }
    said = f"{by} agreed to {named}" if changed else f"{by} agreed to {named} before; nothing to change"
    emit(result, said + (f"\nnext: {following}" if following else ""), as_json=as_json)
