"""What happened in the year, each thing dated: by event time, because that is when it would have happened."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shipway.contract.layout import LocalLayout
from shipway.contract.ledger import entry_numbers, read_entry
from shipway.contract.release import short_digest

__all__ = ["Clock", "Happened", "drift_days", "happened"]

# What the ledger says that a person who reads the year asks about.
_TOLD = frozenset({"promoted", "rolled_back"})


@dataclass
class Clock:
    """Wall time to event time: what the replay said, looked up; it stands still while a model is trained."""

    walls: list[float] = field(default_factory=list[float])
    events: list[datetime] = field(default_factory=list[datetime])

    def note(self, wall_seconds: float, event: datetime) -> None:
        """Notes that it is `event` now."""
        self.walls.append(wall_seconds)
        self.events.append(event)

    def at(self, wall: datetime) -> datetime | None:
        """Returns the event time at `wall`, None before the first note."""
        place = bisect_right(self.walls, wall.timestamp())
        return self.events[place - 1] if place else None

    def save(self, path: Path) -> None:
        """Writes all notes, one a line."""
        pairs = zip(self.walls, self.events, strict=True)
        path.write_text(
            "".join(f"{json.dumps([wall, event.isoformat()])}\n" for wall, event in pairs), encoding="utf-8"
        )

    @classmethod
    def load(cls, path: Path) -> "Clock":
        """Returns what was saved, nothing where nothing was."""
        found = cls()
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            wall, event = json.loads(line)
            found.note(float(wall), datetime.fromisoformat(event))
        return found


@dataclass(frozen=True)
class Happened:
    """One thing: when by event time, what kind of thing, which version (may be empty), and a sentence."""

    at: datetime
    kind: str
    version: str
    sentence: str


def happened(layout: LocalLayout, model: str, clock: Clock) -> list[Happened]:
    """Returns retrainings, promotions, rollbacks and drops of accuracy, in the order of event time."""
    found = [*_retrainings(layout, model), *_releases(layout, model, clock), *_drops(layout, model)]
    return sorted(found, key=lambda one: (one.at, one.kind))


def drift_days(layout: LocalLayout, model: str) -> list[Mapping[str, Any]]:
    """Returns every verdict of drift that counts: a line of the detector's file with the status `drifted`."""
    lines = _lines(layout.state / "drift" / model / "verdicts.jsonl")
    return [line for line in lines if line["status"] == "drifted"]


def _retrainings(layout: LocalLayout, model: str) -> Iterator[Happened]:
    for path in sorted((layout.retraining / model / "runs").glob("*.json")):
        outcome = json.loads(path.read_text(encoding="utf-8"))
        at = datetime.fromisoformat(outcome["as_of"])
        version = short_digest(outcome["digest"]) if outcome["digest"] else ""
        said = f"{outcome['status']} because of {outcome['reason']}: {outcome['sentence']}"
        yield Happened(at, "retraining", version, said)


def _releases(layout: LocalLayout, model: str, clock: Clock) -> Iterator[Happened]:
    for number in entry_numbers(layout.ledger):
        entry = read_entry(layout.ledger, number)
        at = clock.at(datetime.fromisoformat(entry.time))
        if entry.model == model and entry.action in _TOLD and at is not None:
            yield Happened(at, entry.action, short_digest(entry.digests.get("live", "")), entry.reason)


def _drops(layout: LocalLayout, model: str) -> Iterator[Happened]:
    for line in _lines(layout.state / "labels" / model / "quality.jsonl"):
        if line["status"] == "dropped" and not line["segment"]:
            at = datetime.fromisoformat(line["window"]["end"])
            said = f"{line['metric']} {line['score']:.3f}, {line['window']['name']} to {line['window']['end'][:10]}"
            yield Happened(at if at.tzinfo else at.replace(tzinfo=UTC), "accuracy drop", line["version"], said)


def _lines(path: Path) -> list[Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    # A line without its end is still being written: the platform goes on while its year is told.
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.strip() and line.endswith("\n")]
