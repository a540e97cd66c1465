"""From raw counters to what happened between two looks: a delta per series, and only then a sum.

A reading is taken whole or not at all. One flawed series rejects it, the base stays, and the next sound reading
brings the gap as one increment: nothing is guessed, and nothing that cannot be read counts as zero.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from shipway.contract.metrics import Slot

__all__ = [
    "FORGOTTEN_SECONDS",
    "Counters",
    "Delta",
    "Family",
    "Flaw",
    "Flawed",
    "Outcome",
    "Reading",
    "Seen",
    "SeriesKey",
    "Still",
    "read",
]


# A slot's pods come and go within a rollout. One that was not scraped for so long is gone for good, and a base that
# kept it would outgrow the route it rides on.
FORGOTTEN_SECONDS = 300.0


class Flaw(StrEnum):
    """What is wrong with a reading."""

    NOT_FINITE = "not_finite"
    NEGATIVE = "negative"
    FRACTION = "fraction"
    WRONG_LABEL = "wrong_label"
    DUPLICATE = "duplicate"
    OLDER = "older"
    MISSING = "missing"


@dataclass(frozen=True)
class Reading:
    """One series at one look; its sequence is the time of its scrape, not of the query."""

    labels: Mapping[str, str]
    value: float
    scraped_at_seconds: float


@dataclass(frozen=True)
class Family:
    """The series that belong together.

    Args:
        metric: their name, for sentences.
        model: what their `model` label must say.
        event_label: the label that tells events apart, empty when there is only one event.
        events: what that label may say, None for anything.
    """

    metric: str
    model: str
    event_label: str = ""
    events: frozenset[str] | None = None


class SeriesKey(NamedTuple):
    """What identifies a series; labels beyond these would only hide that it is there twice."""

    slot: Slot
    instance: str
    event: str


class Seen(NamedTuple):
    """A counter's value, and when it was scraped."""

    value: int
    scraped_at_seconds: float


@dataclass(frozen=True)
class Counters:
    """The last sound reading, the base of the next delta."""

    last: Mapping[SeriesKey, Seen] = field(default_factory=dict[SeriesKey, Seen])

    def rows(self) -> list[list[str | float]]:
        """Returns the base as plain rows, to be kept where the rollout's state is kept."""
        return [[*key, *seen] for key, seen in sorted(self.last.items())]

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[str, str, str, int, float]]) -> "Counters":
        """Returns the base that `rows` describes."""
        return cls(
            {SeriesKey(Slot(slot), where, event): Seen(int(value), at) for slot, where, event, value, at in rows}
        )


@dataclass(frozen=True)
class Delta:
    """What happened since the last sound reading.

    Args:
        counts: (slot, event) -> how often; what never happened is absent.
        restarted: instances whose counters began anew; their whole value is what happened since.
    """

    counts: Mapping[tuple[Slot, str], int]
    restarted: tuple[str, ...] = ()

    def count(self, slot: Slot, *events: str) -> int:
        """Returns how often any of `events` happened in `slot`."""
        return sum(self.counts.get((slot, event), 0) for event in events)


@dataclass(frozen=True)
class Still:
    """A sound reading that is no new evidence."""

    sentence: str


@dataclass(frozen=True)
class Flawed:
    """A reading that was rejected."""

    flaw: Flaw
    sentence: str


Outcome = Delta | Still | Flawed


def read(
    family: Family, counters: Counters, readings: Iterable[Reading], slots: Iterable[Slot] = tuple(Slot)
) -> tuple[Counters, Outcome]:
    """Returns the next base and what the reading brought.

    An instance seen for the first time only sets its base: what it counted before is not this rollout's. A counter
    that fell, or one that is gone while its instance still answers, means that the process behind it restarted and
    all its counters began at zero.

    Args:
        family: which series are expected.
        counters: the last sound reading.
        readings: the series now, in any order.
        slots: each of these must have at least one series.
    """
    now: dict[SeriesKey, Seen] = {}
    for reading in readings:
        found = _identify(family, reading)
        if isinstance(found, Flawed):
            return counters, found
        if flawed := _check(family, found, reading, counters, now):
            return counters, flawed
        now[found] = Seen(int(reading.value), reading.scraped_at_seconds)
    present = {key.slot for key in now}
    if missing := [slot for slot in slots if slot not in present]:
        return counters, Flawed(Flaw.MISSING, f"{family.metric}: no series of {family.model} in {missing[0]}")
    return _compare(counters, now)


def _identify(family: Family, reading: Reading) -> SeriesKey | Flawed:
    labels = reading.labels

    def wrong(label: str, expected: str) -> Flawed:
        got = labels.get(label)
        said = "is missing" if got is None else f"is {got!r}"
        return Flawed(Flaw.WRONG_LABEL, f"{family.metric}: label {label} {said}, expected {expected}")

    if labels.get("model") != family.model:
        return wrong("model", repr(family.model))
    slot, instance = labels.get("slot"), labels.get("instance")
    if slot not in (Slot.BLUE, Slot.GREEN):
        return wrong("slot", "blue or green")
    if not instance:
        return wrong("instance", "the scraped address")
    event = labels.get(family.event_label, "") if family.event_label else ""
    if family.event_label and not event:
        return wrong(family.event_label, "a value")
    if family.events is not None and event not in family.events:
        return wrong(family.event_label, f"one of {', '.join(sorted(family.events))}")
    return SeriesKey(Slot(slot), instance, event)


def _check(
    family: Family, key: SeriesKey, reading: Reading, counters: Counters, now: Mapping[SeriesKey, Seen]
) -> Flawed | None:
    value, at = reading.value, reading.scraped_at_seconds
    where = f"{family.metric}: {key.event or 'the counter'} of {key.slot} at {key.instance}"
    last = counters.last.get(key)
    if not math.isfinite(value):
        return Flawed(Flaw.NOT_FINITE, f"{where} is {value}, expected a count")
    if not math.isfinite(at):
        return Flawed(Flaw.NOT_FINITE, f"{where} was scraped at {at}, expected a time")
    if value < 0:
        return Flawed(Flaw.NEGATIVE, f"{where} is {value:g}, expected a count")
    if value != int(value):
        return Flawed(Flaw.FRACTION, f"{where} is {value:g}, expected a whole number: a raw counter, no rate")
    if key in now:
        return Flawed(Flaw.DUPLICATE, f"{where} is there twice")
    if last is not None and at < last.scraped_at_seconds:
        return Flawed(Flaw.OLDER, f"{where} is {last.scraped_at_seconds - at:g} s older than what was seen before")
    return None


def _compare(counters: Counters, now: Mapping[SeriesKey, Seen]) -> tuple[Counters, Delta | Still]:
    answering = {(key.slot, key.instance) for key in now}
    known = {(key.slot, key.instance) for key in counters.last}
    restarted = {
        (key.slot, key.instance)
        for key, last in counters.last.items()
        if (key.slot, key.instance) in answering
        and ((seen := now.get(key)) is None or (seen.value < last.value and _newer(seen, last)))
    }
    counts: dict[tuple[Slot, str], int] = {}
    fresh = False
    newest = max((seen.scraped_at_seconds for seen in now.values()), default=0.0)
    base = {
        key: seen
        for key, seen in counters.last.items()
        if (key.slot, key.instance) not in restarted
        and ((key.slot, key.instance) in answering or newest - seen.scraped_at_seconds < FORGOTTEN_SECONDS)
    }
    for key, seen in now.items():
        last = base.get(key)
        if last is not None and not _newer(seen, last):
            continue
        fresh = True
        if (key.slot, key.instance) in known:
            added = seen.value - (0 if last is None else last.value)
            counts[key.slot, key.event] = counts.get((key.slot, key.event), 0) + added
        base[key] = seen
    following = Counters(base)
    if not fresh:
        return following, Still("the same scrape as before")
    if not known:
        return following, Still("the first reading, the base of what follows")
    return following, Delta(counts, tuple(sorted(f"{slot} at {instance}" for slot, instance in restarted)))


def _newer(seen: Seen, last: Seen) -> bool:
    return seen.scraped_at_seconds > last.scraped_at_seconds
