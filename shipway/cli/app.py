"""The verb groups, put together."""

import typer

from shipway.cli import build, doctor, drift, explain, new, parity, plan, release, replay, status, train

__all__ = ["app"]

app = typer.Typer(
    name="shipway",
    help="Put a model on the road: train, release, promote, roll back, watch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (new, train, build, plan, release, status, explain, doctor, drift, replay, parity):
    group.register(app)
