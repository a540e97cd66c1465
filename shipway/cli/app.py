"""The verb groups, put together."""

import typer

from shipway.cli import (
    agree,
    build,
    carry,
    changed,
    check,
    dashboards,
    dead_letters,
    doctor,
    drift,
    explain,
    fleet,
    labels,
    loadtest,
    new,
    parity,
    plan,
    release,
    replay,
    retrain,
    status,
    train,
)
from shipway.cli.interrupted import Verbs

__all__ = ["app"]

app = typer.Typer(
    name="shipway",
    cls=Verbs,
    help="Put a model on the road: train, release, promote, roll back, watch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    new,
    train,
    retrain,
    check,
    build,
    carry,
    changed,
    loadtest,
    plan,
    release,
    agree,
    status,
    dashboards,
    explain,
    doctor,
    drift,
    replay,
    labels,
    parity,
    dead_letters,
    fleet,
):
    group.register(app)
