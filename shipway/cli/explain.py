"""`shipway explain`: why a rollout went as it did, verdict by verdict, and as a drawing."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from shipway.cli.context import emit, progress, project
from shipway.contract.documents import write_atomic
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import services
from shipway.contract.ledger import Entry
from shipway.delivery.explain import Story, choose, story, tell
from shipway.delivery.looking import query_of
from shipway.delivery.plot import draw
from shipway.delivery.reach import Reach, reach

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verb to `app`."""
    app.command(epilog="Example: shipway explain flight-delay --plot rollout.svg")(explain)


def explain(
    release: Annotated[
        str, typer.Argument(help="a digest (at least six digits), a model for its newest rollout, or MODEL/NUMBER")
    ],
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="draw weight, evidence and verdicts over time")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Print every transition of a rollout, and every verdict that led to it."""
    root = project()
    way = reach(root, env)
    entries = way.ledger.entries()
    models = [folder.name.replace("_", "-") for folder in services(root)]
    model, rollout = choose(release, models, _known(way, entries))
    looks = list(way.history(model, rollout))
    told = story(model, rollout, looks, entries)
    if plot is not None:
        if not looks:
            raise ShipwayError(f"no look at rollout {rollout} of {model} is kept in {env}, so nothing can be drawn")
        write_atomic(plot, draw(told, looks))
        progress(f"drew {len(looks)} looks into {plot}")
    emit(_json(told), tell(told, query_of), as_json=as_json)


def _known(way: Reach, entries: list[Entry]) -> dict[tuple[str, int], str]:
    """Returns (model, rollout) -> the digest it judged, from the history and from the ledger."""
    known = dict(way.judged())
    for entry in entries:
        candidate = entry.digests.get("candidate")
        if entry.rollout and candidate:
            known.setdefault((entry.model, entry.rollout), candidate)
    return known


def _json(told: Story) -> dict[str, Any]:
    events = [
        asdict(event)
        | {
            "verdicts": [
                verdict.model_dump(mode="json") | {"query": query_of(verdict.gate, told.model)}
                for verdict in event.verdicts
            ]
        }
        for event in told.events
    ]
    return asdict(told) | {"events": events}
