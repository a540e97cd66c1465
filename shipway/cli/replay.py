"""`shipway replay`: real requests through the gateway, in the order of their time."""

import asyncio
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shipway.cli.context import emit, own_code, progress, project, service
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec

if TYPE_CHECKING:
    from shipway.traffic.events import Event
    from shipway.traffic.publisher import ProcessPublisher
    from shipway.traffic.replay import Pace
    from shipway.traffic.summary import Summary

__all__ = ["register"]

_REQUEST_TIMEOUT_SECONDS = 30.0


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog="Example: shipway replay flight-delay --requests 500 --rate 50 --json")(replay)


def replay(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    requests: Annotated[int, typer.Option(min=1, help="how many requests to send")] = 500,
    rate: Annotated[float, typer.Option(min=0.01, help="requests a second")] = 20.0,
    speed: Annotated[
        float | None, typer.Option(min=0.01, help="instead of a rate: how many times faster than they happened")
    ] = None,
    start: Annotated[str | None, typer.Option(help="event time of the first request, such as 2013-07-01")] = None,
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    as_json: Annotated[bool, typer.Option("--json", help="print the counts as one line of JSON")] = False,
) -> None:
    """Send real requests in time order through the gateway, publish features as they become known, return labels.

    Exit code 1 when none was answered; what failed of the others is counted.
    """
    root = project()
    folder, spec = service(root, model)
    ports = load_environment(root, env).ports
    if ports is None:
        raise SpecError("--env", "", env, "a local environment: only there is a request's own time believed")
    first = None if start is None else _time(start)
    from shipway.traffic.replay import Pace

    progress(f"reading the traffic of {model}")
    address = f"http://127.0.0.1:{ports.gateway}/{model}/"
    with own_code():
        events = _events(root, folder, first)
        summary = asyncio.run(_run(LocalLayout(root, env), spec, events, requests, Pace(rate, speed), address))
    result = summary.to_json()
    emit(result, "\n".join(f"{key}: {value}" for key, value in result.items()), as_json=as_json)
    if not summary.sent:
        raise ShipwayError(f"there is no traffic of {model} from {first.isoformat() if first else 'its start'} on")
    if not summary.ok:
        told = f"`shipway status {model} --env {env}` says what is down"
        raise ShipwayError(f"none of {summary.sent} requests was answered; {told}")


async def _run(
    layout: LocalLayout, spec: ModelSpec, events: "Iterable[Event]", requests: int, pace: "Pace", address: str
) -> "Summary":
    import httpx

    from shipway.traffic.replay import Replay

    with _publisher(layout, spec) as publisher:
        async with httpx.AsyncClient(base_url=address, timeout=_REQUEST_TIMEOUT_SECONDS, trust_env=False) as client:
            return await Replay(client, publisher, pace, progress).run(events, requests)


def _publisher(layout: LocalLayout, spec: ModelSpec) -> "AbstractContextManager[ProcessPublisher | None]":
    if not spec.features.reads:
        return nullcontext()
    from shipway.traffic.publisher import ProcessPublisher

    return ProcessPublisher(layout.features)


def _events(root: Path, folder: Path, start: datetime | None) -> "Iterable[Event]":
    from shipway.bundle.source import import_from

    if (folder / "traffic.py").exists():
        traffic: Any = import_from(folder.parent, folder.name, "traffic")
        return traffic.events(start or _time(traffic.START))
    from shipway.traffic.sampled import sampled_events

    plan: Any = import_from(folder.parent, folder.name, "train")
    names = import_from(folder.parent, folder.name, "schema").SCHEMA.names
    cache = root / ".shipway" / "cache" / "training" / folder.name
    cache.mkdir(parents=True, exist_ok=True)
    data = plan.load(plan.SETTINGS(), cache)
    return sampled_events(data.validation[list(names)], data.validation_labels, start or datetime.now(UTC))


def _time(text: str) -> datetime:
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError("--start", "", text, "a date or time such as 2013-07-01 or 2013-07-01T12:00:00Z") from None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
