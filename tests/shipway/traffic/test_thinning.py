"""A share of a replay, whose requests find what they would have found in the whole of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.traffic.events import Ask, Event, Label, Publish
from shipway.traffic.thinning import chosen, thinned, until

START = datetime(2013, 2, 1, tzinfo=UTC)


def entities(row: Mapping[str, object]) -> dict[str, object]:
    return {"origin": row["origin"], "tail": row["tail"]}


def seen(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """Returns unit -> view -> the value that its request finds in the store, when events come in this order."""
    store: dict[tuple[str, tuple[object, ...]], Any] = {}
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        if isinstance(event, Publish):
            keys = tuple(event.row[name] for name in ("origin", "tail") if name in event.row)
            store[event.view, keys] = event.row["value"]
        elif isinstance(event, Ask):
            origin, tail = event.row["origin"], event.row["tail"]
            found[event.unit_id] = {"w": store.get(("w", (origin,))), "a": store.get(("a", (tail,)))}
    return found


@st.composite
def replays(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = []
    hours = 0.0
    for number in range(draw(st.integers(0, 60))):
        hours += draw(st.floats(0, 20))
        at = START + timedelta(hours=hours)
        kind, origin, tail = draw(st.tuples(st.integers(0, 2), st.sampled_from("xyz"), st.sampled_from("12")))
        if kind == 0:
            events.append(Publish(at, "w", {"origin": origin, "value": number}))
        elif kind == 1:
            events.append(Publish(at, "a", {"tail": tail, "value": number}))
        else:
            events.append(Ask(at, f"u{number}", {"origin": origin, "tail": tail}))
            events.append(Label(at, f"u{number}", 1.0))
    return events


@given(replays(), st.floats(0, 1))
def test_a_request_that_is_left_finds_what_it_would_have_found(events: list[Event], share: float) -> None:
    """For any order of values and requests, and any share; the order of time is kept."""
    some = list(thinned(events, share, entities))
    whole = seen(events)
    assert seen(some) == {unit: values for unit, values in whole.items() if chosen(unit, share)}
    assert [event.at for event in some] == sorted(event.at for event in some)
    assert {event.unit_id for event in some if isinstance(event, Label)} == set(seen(some))


def test_values_that_nobody_reads_are_left_out() -> None:
    """Of a hundred values before one request the newest is left."""
    events: list[Event] = [
        Publish(START + timedelta(minutes=minute), "w", {"origin": "x", "value": minute}) for minute in range(100)
    ]
    first = Ask(START, "u0", {"origin": "x", "tail": "1"})
    last = Ask(START + timedelta(hours=3), "u1", {"origin": "x", "tail": "1"})
    left = list(thinned([first, *events, last], 1, entities))
    assert left == [first, events[-1], last]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_is_about_what_was_asked_for(share: float) -> None:
    """The same units each time, and those of a smaller share are among those of a larger one."""
    units = [f"2013-02-01-UA{number}-EWR" for number in range(4000)]
    taken = {unit for unit in units if chosen(unit, share)}
    assert abs(len(taken) / 4000 - share) < 0.03
    assert taken <= {unit for unit in units if chosen(unit, min(1.0, share * 1.5))}


def test_after_the_end_nobody_asks_and_labels_still_come() -> None:
    """For as long as they are waited for."""
    end = START + timedelta(hours=1)
    late = Label(START + timedelta(hours=2), "a", 1.0)
    events: list[Event] = [
        Ask(START, "a", {}),
        Ask(end, "b", {}),
        late,
        Label(START + timedelta(hours=9), "a", 1.0),
    ]
    assert list(until(events, end, timedelta(hours=3))) == [events[0], late]
