"""Why served and offline values differ: one function for each cause, each says how much of the skew it explains.

A function gets one compared feature and returns what it explains, or None where it explains nothing. To add a cause,
write one and put it into `CAUSES`. None may name anything where the sides agree, or where they differ at random.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipway.contract.parity import ParityOutcome
from shipway.parity.fitting import Line, fit_line, most_common
from shipway.parity.outcomes import CLOCK_SECONDS, Compared, Flags, Numbers, same

__all__ = ["CAUSES", "NAMED_FROM", "Cause", "diagnose"]

# Fewer rows than this can look like anything.
LEAST_ROWS = 8
# A cause is named when it explains this share of what it would have to explain.
NAMED_FROM = 0.8

# The zones of the world lie in these steps, and no two of them farther apart.
_ZONE_STEP_SECONDS = 900.0
_FARTHEST_ZONE_SECONDS = 14 * 3600.0
_LOOKED_AT = np.array([hours / 2 for hours in range(-28, 29) if hours]) * 3600.0
# How much better the best hour must explain than the middle one: where all do, none of them is a cause.
_BEST_BEYOND_MIDDLE = 0.2

_MOST_CODES = 64
# Rows beyond one for each code: a mapping of so many rows by chance is rarer than one in a thousand.
_SURPLUS_ROWS = 12
_LEAST_POINTS = 3

_UNITS = {
    100.0: "a ratio as percent",
    1000.0: "thousandths, such as ms for s",
    60.0: "minutes for hours, or seconds for minutes",
    3600.0: "seconds for hours",
    24.0: "hours for days",
    1.609344: "km for miles",
    0.3048: "m for feet",
    25.4: "mm for inches",
    1.8: "Fahrenheit for Celsius",
    0.45359237: "kg for pounds",
}


@dataclass(frozen=True)
class Cause:
    """One likely cause of a skew.

    Args:
        name: the key in `CAUSES`.
        confidence: the share of the skewed rows, or of those that can tell, that it explains.
        rows: how many rows those are.
        sentence: what it looks like, in words.
    """

    name: str
    confidence: float
    rows: int
    sentence: str


def timezone(compared: Compared) -> Cause | None:
    """Returns a constant shift by hours: of the times that the values carry, or of the values themselves."""
    return _shifted_times(compared) or _shifted_values(compared)


def _shifted_times(compared: Compared) -> Cause | None:
    apart = compared.served.seconds - compared.offline.seconds
    # One that the offline store has with the very same time is late, and its time is right.
    rows = ~np.isnan(apart) & ~(np.abs(_leads(compared)) <= CLOCK_SECONDS)
    rows |= apart == 0
    moved = rows & (np.abs(apart) > CLOCK_SECONDS)
    if moved.sum() < LEAST_ROWS:
        return None
    steps = np.round(apart[moved] / _ZONE_STEP_SECONDS) * _ZONE_STEP_SECONDS
    whole = (np.abs(apart[moved] - steps) <= CLOCK_SECONDS) & (steps != 0) & (np.abs(steps) <= _FARTHEST_ZONE_SECONDS)
    if not whole.any():
        return None
    shift, _ = most_common(steps[whole])
    # With the clocks changed within the window there are two shifts an hour apart.
    explained = float((whole & (np.abs(steps - shift) <= 3600)).sum() / rows.sum())
    sentence = (
        f"served values carry times {_hours(shift)} than the offline ones: a local time taken for UTC, or UTC for local"
    )
    return Cause("timezone", explained, int(moved.sum()), sentence)


def _shifted_values(compared: Compared) -> Cause | None:
    """Returns the hour whose values were served."""
    if compared.skewed.sum() < LEAST_ROWS:
        return None
    inside = _from_first_to_last(compared)
    scores, rows = np.zeros(len(_LOOKED_AT)), np.zeros(len(_LOOKED_AT), dtype=int)
    for number, shift in enumerate(_LOOKED_AT):
        other = compared.history.at(compared.event_seconds + shift)
        telling = inside & ~np.isnan(compared.served.values) & ~np.isnan(compared.offline.values) & ~np.isnan(other)
        # Where all three are the same, nothing speaks for the shift and nothing against it.
        telling &= ~same(other, compared.offline.values, compared.spec) | compared.skewed
        rows[number] = telling.sum()
        if rows[number] >= LEAST_ROWS:
            scores[number] = same(other, compared.served.values, compared.spec)[telling].mean()
    best = int(np.argmax(scores))
    if scores[best] <= np.median(scores) + _BEST_BEYOND_MIDDLE:
        return None
    # Hourly values look the same at neighbouring half hours: of those that explain as much, a whole hour.
    equal = np.flatnonzero(scores >= scores[best] - 1e-9)
    explaining: list[float] = _LOOKED_AT[equal].tolist()
    shift = next((one for one in explaining if one % 3600 == 0), explaining[0])
    when = "later" if shift > 0 else "earlier"
    sentence = (
        f"served values are those of {_number(abs(shift) / 3600)} h {when}: a time zone is applied on one side only"
    )
    return Cause("timezone", float(scores[best]), int(rows[best]), sentence)


def _from_first_to_last(compared: Compared) -> Flags:
    """Returns the rows in the stretch of time in which there is a skew: it may have begun or ended in between."""
    moments = compared.event_seconds[compared.skewed]
    return (compared.event_seconds >= moments.min()) & (compared.event_seconds <= moments.max())


def fill_value(compared: Compared) -> Cause | None:
    """Returns a constant that stands on one side where the other has no value, or a value."""
    found = [
        _constant(compared, compared.served.values, compared.offline.values, "served", "the offline store"),
        _constant(compared, compared.offline.values, compared.served.values, "offline", "the online store"),
    ]
    return max((one for one in found if one), key=lambda one: one.confidence, default=None)


def _constant(compared: Compared, filled: Numbers, other: Numbers, side: str, elsewhere: str) -> Cause | None:
    rows = compared.skewed
    candidates = filled[rows & ~np.isnan(filled)]
    if len(candidates) < LEAST_ROWS:
        return None
    value, times = most_common(candidates)
    explained = rows & (filled == value)
    absent, varied = explained & np.isnan(other), explained & ~np.isnan(other)
    if varied.any():
        # Where the other side has values too, only one that it never has, or the default, is a filling.
        known = other[~np.isnan(other)]
        if (value != compared.default and (known == value).any()) or len(np.unique(other[varied])) < _LEAST_POINTS:
            return None
    usual = float((other == value).sum() / max((~np.isnan(other)).sum(), 1))
    if usual > 0.5 * times / rows.sum():
        return None
    what = f"has none ({absent.sum()} rows)" if absent.sum() >= varied.sum() else f"has values ({varied.sum()} rows)"
    sentence = f"{side} values are {_number(value)} where {elsewhere} {what}: nulls are filled on one side only"
    return Cause("fill_value", times / int(rows.sum()), int(rows.sum()), sentence)


def category_encoding(compared: Compared) -> Cause | None:
    """Returns a mapping of codes to other codes of the same set, one to one."""
    rows = _different(compared)
    served, offline = compared.served.values[rows], compared.offline.values[rows]
    codes, place = np.unique(offline, return_inverse=True)
    if len(codes) < 2 or len(codes) > _MOST_CODES or len(served) - len(codes) < _SURPLUS_ROWS:
        return None
    if (served != np.round(served)).any() or (offline != np.round(offline)).any():
        return None
    mapped = np.array([most_common(served[place == number])[0] for number in range(len(codes))])
    known = np.union1d(codes, compared.offline.values[~np.isnan(compared.offline.values)])
    if len(np.unique(mapped)) < len(codes) or not np.isin(mapped, known).all():
        return None
    line = fit_line(offline, served)
    if line.slope > 0 and line.share == 1 and len(codes) >= _LEAST_POINTS:
        return None
    # Of a code that is exchanged, every row is.
    within = _from_first_to_last(compared) & np.isin(compared.offline.values, codes) & ~np.isnan(compared.served.values)
    expected = mapped[np.searchsorted(codes, compared.offline.values[within])]
    explained = float((compared.served.values[within] == expected).mean())
    shown = ", ".join(f"{_number(a)} as {_number(b)}" for a, b in list(zip(codes, mapped, strict=True))[:4])
    sentence = f"codes are exchanged one for one (offline {shown}): the lists of categories are in another order"
    return Cause("category_encoding", explained, len(served), sentence)


def scaling(compared: Compared) -> Cause | None:
    """Returns a constant factor and offset between the sides, by a robust line through the rows that differ."""
    rows = _different(compared)
    served, offline = compared.served.values[rows], compared.offline.values[rows]
    if len(served) < LEAST_ROWS or len(np.unique(offline)) < _LEAST_POINTS or len(np.unique(served)) < _LEAST_POINTS:
        return None
    line = fit_line(offline, served)
    if abs(line.slope) < 1e-9:
        return None
    sentence = f"served = {_line(line)}: a scaling or a unit is applied on one side only{_unit(line)}"
    return Cause("scaling", line.share, len(served), sentence)


def look_ahead(compared: Compared) -> Cause | None:
    """Returns values from after the event: served, or known offline before they were published."""
    ahead, behind, telling = _whence(compared)
    future = np.isnan(compared.served.values) & (compared.served.seconds > compared.event_seconds + 5 * CLOCK_SECONDS)
    future &= compared.skewed
    telling |= future
    if telling.sum() < LEAST_ROWS:
        return None
    explained = float((ahead | future)[telling].mean())
    if explained >= NAMED_FROM and _no_chance(int((ahead | future).sum()), int(behind.sum())):
        lead = np.median(compared.served.seconds[future] - compared.event_seconds[future]) if future.any() else None
        ago = f" (by {_duration(float(lead))})" if lead is not None else ""
        sentence = (
            f"served values are those that the offline store knows only after the event{ago}: serving sees the future"
        )
        return Cause("look_ahead", explained, int(telling.sum()), sentence)
    leads = _leads(compared)[behind]
    early = leads > CLOCK_SECONDS
    # The same lead everywhere is a shift of the clock.
    if early.sum() < LEAST_ROWS or np.ptp(np.quantile(leads[early], [0.1, 0.9])) <= 60:
        return None
    sentence = (
        f"the offline store has values {_duration(float(np.median(leads[early])))} before they were published: "
        "training sees the future"
    )
    return Cause("look_ahead", float(early.sum() / telling.sum()), int(telling.sum()), sentence)


def late_publication(compared: Compared) -> Cause | None:
    """Returns values that were right once: they came to the online store after the event."""
    _, behind, telling = _whence(compared)
    too_old = compared.skewed & np.isnan(compared.served.values) & (compared.outcomes == str(ParityOutcome.STALE))
    telling |= too_old
    if telling.sum() < LEAST_ROWS:
        return None
    on_time = np.abs(_leads(compared)) <= CLOCK_SECONDS
    explained = ((behind & on_time) | too_old) & ~np.isnan(compared.offline.values)
    if not explained.any():
        return None
    age = float(np.nanmedian((compared.offline.seconds - compared.served.seconds)[explained]))
    sentence = f"served values are older than the offline ones by {_duration(age)}: they are published too late"
    return Cause("late_publication", float(explained[telling].mean()), int(telling.sum()), sentence)


def never_published(compared: Compared) -> Cause | None:
    """Returns keys of which the online store knew nothing at all."""
    rows = compared.skewed
    absent = rows & np.isnan(compared.served.values) & np.isnan(compared.served.seconds)
    if rows.sum() < LEAST_ROWS or not absent.any():
        return None
    sentence = f"the online store has nothing for {int(absent.sum())} rows whose values the offline store knows"
    return Cause("never_published", float(absent.sum() / rows.sum()), int(rows.sum()), sentence)


def _whence(compared: Compared) -> tuple[Flags, Flags, NDArray[np.bool_]]:
    """Returns which served values are known only after the event, only before it, and which rows can tell.

    A value that came both before and after tells nothing.
    """
    history, rows = compared.history, len(compared.event_seconds)
    after, before = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
    for row in np.flatnonzero(compared.skewed & ~np.isnan(compared.served.values)):
        low, high = history.starts[row], history.starts[row + 1]
        hit = same(history.values[low:high], compared.served.values[row], compared.spec)
        later = history.seconds[low:high] > compared.event_seconds[row]
        after[row], before[row] = bool((hit & later).any()), bool((hit & ~later).any())
    ahead, behind = after & ~before, before & ~after
    return ahead, behind, compared.skewed & ~np.isnan(compared.served.values) & ~(after & before)


def _leads(compared: Compared) -> Numbers:
    """Returns how many seconds before its own time each served value was known offline, NaN where it never was."""
    history, found = compared.history, np.full(len(compared.event_seconds), np.nan)
    for row in np.flatnonzero(~np.isnan(compared.served.values + compared.served.seconds)):
        low, high = history.starts[row], history.starts[row + 1]
        hit = same(history.values[low:high], compared.served.values[row], compared.spec)
        leads = compared.served.seconds[row] - history.seconds[low:high][hit]
        if len(leads):
            found[row] = leads[np.argmin(np.abs(leads))]
    return found


def _no_chance(more: int, less: int) -> bool:
    """Returns whether a fair coin falls so unevenly once in a thousand times at most (the sign test)."""
    count = more + less
    return sum(math.comb(count, k) for k in range(more, count + 1)) <= 2**count / 1000


def _different(compared: Compared) -> Flags:
    both = ~np.isnan(compared.served.values) & ~np.isnan(compared.offline.values)
    return compared.skewed & both & ~same(compared.served.values, compared.offline.values, compared.spec)


def _hours(seconds: float) -> str:
    return f"{_number(abs(seconds) / 3600)} h {'later' if seconds > 0 else 'earlier'}"


def _duration(seconds: float) -> str:
    if abs(seconds) < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if abs(seconds) < 7200 else f"{seconds / 3600:.1f} h"


def _number(value: float) -> str:
    return f"{value:.6g}"


def _line(line: Line) -> str:
    sign = "+" if line.intercept >= 0 else "-"
    factor = f"{_number(line.slope)} * offline" if abs(line.slope - 1) > 1e-9 else "offline"
    return factor if line.intercept == 0 else f"{factor} {sign} {_number(abs(line.intercept))}"


def _unit(line: Line) -> str:
    for factor, meaning in _UNITS.items():
        if abs(line.slope / factor - 1) < 1e-4:
            return f" ({meaning})"
        if abs(line.slope * factor - 1) < 1e-4:
            return f" (the inverse of: {meaning})"
    return ""


Diagnosis = Callable[[Compared], Cause | None]

CAUSES: Mapping[str, Diagnosis] = {
    "timezone": timezone,
    "category_encoding": category_encoding,
    "scaling": scaling,
    "fill_value": fill_value,
    "look_ahead": look_ahead,
    "late_publication": late_publication,
    "never_published": never_published,
}


def diagnose(compared: Compared) -> list[Cause]:
    """Returns the causes that explain enough to be named, the likeliest first."""
    found = [cause for function in CAUSES.values() if (cause := function(compared)) is not None]
    named = [cause for cause in found if cause.confidence >= NAMED_FROM]
    return sorted(named, key=lambda cause: -cause.confidence)
