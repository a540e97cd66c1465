"""`shipway retrain`: a new version as of a moment, proved against the live one, then proposed or released."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.context import emit, own_code, progress, project
from shipway.contract.errors import SpecError
from shipway.contract.retraining import ReleaseRule

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog='Example: shipway retrain flight-delay --reason "drift in wind_speed_mph" --json')(retrain)


def retrain(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    env: Annotated[str, typer.Option(help="the environment that it runs in")] = "local",
    reason: Annotated[str, typer.Option(help="why, for the registry, the release and the ledger")] = "by hand",
    as_of: Annotated[
        str | None, typer.Option(help="know nothing after this moment; by default all that is in the prediction log")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="another training setting")
    ] = None,
    release: Annotated[
        ReleaseRule | None, typer.Option(help="what happens with what passed; by default what model.yaml says")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="train and compare, then register and release nothing")
    ] = False,
    freeze: Annotated[
        bool,
        typer.Option("--freeze-regression-set", help="train nothing: keep recent labelled rows for every later one"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Train anew, compare with the live version on recent labelled traffic, register, and propose or release it.

    Exit status: 0 when it was released, proposed, rehearsed, or is the live version already; 1 when it failed or was
    not good enough, and the old version stays; 2 for wrong input.
    """
    root = project()
    moment = None if as_of is None else _time(as_of)
    if freeze:
        _freeze(root, model, env, moment, as_json=as_json)
        return
    from shipway.retraining.run import Retraining
    from shipway.retraining.run import retrain as run
    from shipway.training.settings import parse_overrides

    job = Retraining(
        root,
        env,
        model,
        reason.strip() or "by hand",
        as_of=moment,
        rule=release,
        overrides=parse_overrides(settings or []),
        rehearse=dry_run,
    )
    with own_code():
        outcome = run(job, progress, lambda: datetime.now(UTC))
    following = f"\nnext: {outcome.next}" if outcome.next else ""
    text = f"{outcome.status}: {outcome.sentence}{following}"
    emit(outcome.model_dump(mode="json"), text, as_json=as_json)
    if outcome.failed:
        progress(f"error: {model} stays as it is: {outcome.sentence}")
        raise typer.Exit(1)


def _freeze(root: Path, model: str, env: str, as_of: datetime | None, *, as_json: bool) -> None:
    from shipway.retraining.freezing import freeze_recent

    progress("reading the recent labelled traffic")
    with own_code():
        path, rows = freeze_recent(root, env, model, as_of or datetime.now(UTC), progress)
    result = {"model": model, "environment": env, "path": str(path.relative_to(root)), "rows": rows}
    emit(result, f"{path.relative_to(root)}: {rows} rows that no version is trained on from now on", as_json=as_json)


def _time(text: str) -> datetime:
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError("--as-of", "", text, "a date or time such as 2013-07-01 or 2013-07-01T12:00:00Z") from None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
