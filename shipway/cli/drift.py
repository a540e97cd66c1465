"""`shipway drift`: how far inputs, predictions and labels of a model have moved from what it was trained on."""

import socket
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.context import emit, local, progress, project, service, table
from shipway.contract.drift import ALL_ROWS, WindowName
from shipway.contract.environment import EnvironmentSpec, Target, load_environment
from shipway.contract.errors import SpecError
from shipway.contract.kubeconfig import cluster_of
from shipway.contract.metrics import DRIFT_JOB
from shipway.contract.worker_settings import worker_settings

if TYPE_CHECKING:
    from shipway.drift.places import Keeper, Place

__all__ = ["register"]

# Exit codes beside 0 (stable), 1 (refused) and 2 (wrong input).
_DRIFTED, _UNKNOWN = 3, 4

_CONNECT_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog="Example: shipway drift flight-delay --window week --since 2013-06-01 --plot drift.svg")(drift)


def drift(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    window: Annotated[WindowName, typer.Option(help="how long the windows are")] = WindowName.DAY,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="verdicts from then on, such as 2013-06-01; else the last ones")
    ] = None,
    segment: Annotated[str, typer.Option(metavar="FIELD=VALUE", help="the rows of one segment only")] = ALL_ROWS,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw the windows that were judged, as .svg or .png")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Show what drifted, by what matters to the model; exit code 3 when something drifted, 4 for too few rows."""
    # scipy and Arrow take a second that no other verb should wait for.
    import numpy as np

    from shipway.drift.calibration import Calibration
    from shipway.drift.plot import SUFFIXES, draw
    from shipway.drift.report import Asked, examine
    from shipway.drift.shown import HEAD, cells, dated, heading, summary

    root = project()
    _, spec = service(root, model)
    environment = load_environment(root, env)
    asked = Asked(window, segment, _date(since))
    if plot is not None and plot.suffix not in SUFFIXES:
        raise SpecError("the command line", "--plot", str(plot), "a name that ends in .svg or .png")
    place, keeper = _found(root, environment)
    running = _running(environment)
    if running is False:
        progress(f"the drift worker of {env} does not run: what it has not counted is counted now, from the logs")
    calibration = Calibration(np.random.default_rng(0))
    report = examine(place, keeper, environment.tier, spec, asked, datetime.now(UTC), calibration)
    lines = [heading(report), table(HEAD, [cells(row) for row in report.rows])]
    if verdicts := dated(report.verdicts, every=since is not None):
        lines += [f"verdicts by {window}:", *(f"  {line}" for line in verdicts)]
    lines.append(summary(report))
    if plot is not None:
        draw(report, plot)
        lines.append(f"drawn: {plot}")
    result = {"environment": env, "worker_runs": running, **report.document(), "drifted": report.drifted}
    emit(result, "\n".join(lines), as_json=as_json)
    if report.drifted or not report.judged:
        raise typer.Exit(_DRIFTED if report.drifted else _UNKNOWN)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError("the command line", "--since", text, "a date such as 2013-06-01") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _found(root: Path, environment: EnvironmentSpec) -> "tuple[Place, Keeper]":
    """Returns where the environment's logs are, and what keeps what its worker made of them."""
    if environment.target is Target.LOCAL:
        from shipway.drift.places import LocalKeeper, LocalPlace

        layout, _ = local(root, environment.name)
        return LocalPlace(layout, progress), LocalKeeper(layout.drift)
    from shipway.drift.process import stored

    storage = cluster_of(root, environment).object_storage
    progress(f"reading the counts and the logs of {environment.name} in {storage.predictions} ...")
    settings = worker_settings(environment, storage)
    return stored(settings, Path(tempfile.gettempdir()), progress, time.time, storage.endpoint_url)


def _running(environment: EnvironmentSpec) -> bool | None:
    """Returns whether the worker runs; None where only its metrics say so."""
    if environment.ports is None:
        return None
    try:
        address = ("127.0.0.1", environment.ports.worker_metrics(DRIFT_JOB))
        with socket.create_connection(address, timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False
