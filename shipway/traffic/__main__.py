"""`python -m shipway.traffic`: a long replay for a program that steers it by files.

While the file `--hold` is there event time stands still; the file `--state` says, once a second, how far it is.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from shipway.bundle.source import import_from
from shipway.contract.documents import write_atomic
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import load_model
from shipway.traffic.events import Event
from shipway.traffic.publisher import ProcessPublisher
from shipway.traffic.replay import Pace, Replay
from shipway.traffic.thinning import thinned, until

__all__ = ["main"]

_REQUEST_TIMEOUT_SECONDS = 60.0
_STATE_SECONDS = 1.0

# As many as one slot answers at once: on a busy machine the replay takes longer, and overloads nothing.
_MOST_IN_FLIGHT = 16
_LABELS_WITHIN = timedelta(days=2)


def main(arguments: list[str]) -> int:
    """Replays; returns 1 for a refusal, with one line that says why, or when a request has failed."""
    chosen = _parser().parse_args(arguments)
    try:
        summary = asyncio.run(_run(chosen))
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(summary))
    return 1 if summary["failed"] else 0


async def _run(chosen: argparse.Namespace) -> dict[str, Any]:
    root = chosen.root.resolve()
    layout, ports = LocalLayout(root, chosen.env), load_environment(root, chosen.env).ports
    if ports is None:
        raise SpecError("--env", "", chosen.env, "a local environment: only there is a request's own time believed")
    folder = root / "services" / chosen.service
    model = load_model(folder / "model.yaml").name
    address = f"http://127.0.0.1:{ports.gateway}/{model}/"
    with ProcessPublisher(layout.features) as publisher:
        async with httpx.AsyncClient(base_url=address, timeout=_REQUEST_TIMEOUT_SECONDS, trust_env=False) as client:
            pace = Pace(chosen.rate, gather=None)
            replay = Replay(client, publisher, pace, _say, chosen.hold.exists, _MOST_IN_FLIGHT)
            states = asyncio.create_task(_keep_state(replay, chosen.state))
            try:
                summary = await replay.run(_events(folder, chosen), sys.maxsize)
            finally:
                states.cancel()
                _write_state(replay, chosen.state)
    return summary.to_json()


def _events(folder: Path, chosen: argparse.Namespace) -> Iterable[Event]:
    traffic: Any = import_from(folder.parent, folder.name, "traffic")
    entities: Callable[[Mapping[str, object]], Mapping[str, object]]
    entities = import_from(folder.parent, folder.name, "features").ENTITIES
    start, end = (_time(option, text) for option, text in (("--start", chosen.start), ("--until", chosen.until)))
    return until(thinned(traffic.events(start), chosen.share, entities), end, _LABELS_WITHIN)


def _time(option: str, text: str) -> datetime:
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError(option, "", text, "a date or time such as 2013-07-01 or 2013-07-01T12:00:00-04:00") from None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)


async def _keep_state(replay: Replay, path: Path) -> None:
    while True:
        _write_state(replay, path)
        await asyncio.sleep(_STATE_SECONDS)


def _write_state(replay: Replay, path: Path) -> None:
    counted = replay.summary
    now = replay.now.isoformat() if replay.now else None
    said = {"now": now, "sent": counted.sent, "ok": counted.ok, "failed": counted.failed}
    write_atomic(path, json.dumps(said | {"labels_sent": counted.labels_sent}) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.traffic", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the project's folder")
    parser.add_argument("--env", default="local", help="the local environment")
    parser.add_argument("--service", required=True, help="the folder of a service with a traffic.py")
    parser.add_argument("--start", required=True, help="event time of the first request; UTC where it says no offset")
    parser.add_argument("--until", required=True, help="event time at which nobody asks any more")
    parser.add_argument("--share", type=float, default=1.0, help="of the units")
    parser.add_argument("--rate", type=float, default=150.0, help="requests a second")
    parser.add_argument("--hold", type=Path, required=True, help="the file that stops event time")
    parser.add_argument("--state", type=Path, required=True, help="the file that says how far it is")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
