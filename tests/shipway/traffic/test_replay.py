import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shipway.contract.errors import ShipwayError
from shipway.traffic.events import Ask, Event, Label, Publish
from shipway.traffic.replay import Pace, Replay
from shipway.traffic.summary import Summary

START = datetime(2013, 5, 1, tzinfo=UTC)
FAST = Pace(requests_per_second=500)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


class Gateway:
    """A gateway and a store in one, which write down what reaches them and when."""

    def __init__(self, answer: Callable[[int], httpx.Response] | None = None) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.labels: list[dict[str, Any]] = []
        self._answer = answer
        self._open = 0
        self.most_open = 0

    async def publish(self, values: Sequence[Publish]) -> None:
        assert self._open == 0, "a value was written while a request from before its time was open"
        self.seen += [("publish", value.at) for value in values]

    async def handle(self, request: httpx.Request) -> httpx.Response:
        import json

        body = json.loads(request.content)
        if request.url.path.endswith("/feedback"):
            self.labels += body["labels"]
            return httpx.Response(200, json={"accepted": len(body["labels"])})
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        number = sum(kind == "ask" for kind, _ in self.seen)
        self.seen.append(("ask", datetime.fromisoformat(request.headers["x-event-time"])))
        await asyncio.sleep(0)
        self._open -= 1
        if self._answer is not None:
            return self._answer(number)
        unit = request.headers["x-unit-id"]
        headers = {"x-slot": "blue", "x-model-version": "abc"}
        return httpx.Response(200, json={"predictions": [0.5], "prediction_ids": [f"id-{unit}"]}, headers=headers)


def run(gateway: Gateway, events: Iterable[Event], requests: int, pace: Pace = FAST) -> Summary:
    async def replay() -> Summary:
        transport = httpx.MockTransport(gateway.handle)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway/m/") as client:
            return await asyncio.wait_for(Replay(client, gateway, pace, lambda line: None).run(events, requests), 20)

    return asyncio.run(replay())


def ask(minutes: float, unit: str) -> Ask:
    return Ask(at(minutes), unit, {"x": 1})


def test_values_arrive_before_those_who_may_know_them_and_not_earlier() -> None:
    """At a pace at which each request is waited for, the order at the gateway is the order of the events."""
    events: list[Event] = [Publish(at(0), "v", {})]
    for minute in range(1, 6):
        events += [ask(minute, f"u{minute}"), Publish(at(minute + 0.5), "v", {})]
    gateway = Gateway()
    run(gateway, events, 5, Pace(requests_per_second=9))
    times = [time for _, time in gateway.seen]
    assert times == sorted(times)
    assert [kind for kind, _ in gateway.seen] == ["publish", "ask"] * 5


@pytest.mark.parametrize(("gather", "writes"), [(timedelta(minutes=3), range(20, 41)), (None, range(1, 12))])
def test_a_fast_replay_shows_what_was_known_for_minutes(gather: timedelta | None, writes: range) -> None:
    """Of a value and a request a minute, hundreds a second, each request finds what is older than it may be."""
    events: list[Event] = []
    for minute in range(120):
        events += [Publish(at(minute), "v", {}), ask(minute + 0.5, f"u{minute}")]
    gateway = Gateway()
    run(gateway, events, 120, Pace(requests_per_second=400, gather=gather))
    batches = [place for place, (kind, _) in enumerate(gateway.seen) if kind == "publish"]
    assert len([place for place in batches if place - 1 not in batches]) in writes
    if gather is not None:
        asked = [(place, time) for place, (kind, time) in enumerate(gateway.seen) if kind == "ask"]
        written = [(place, time) for place, (kind, time) in enumerate(gateway.seen) if kind == "publish"]
        assert all(place < later for place, time in written for later, now in asked if now - time > gather)


def test_a_fast_replay_never_shows_the_future() -> None:
    """However many requests share one write, no value is in the store before its time."""
    events: list[Event] = []
    for minute in range(300):
        events += [Publish(at(minute), "v", {}), ask(minute, f"u{minute}")]
    gateway = Gateway()
    summary = run(gateway, events, 300, Pace(requests_per_second=2000))
    assert summary.sent == summary.ok == 300
    latest = START
    for kind, time in gateway.seen:
        if kind == "publish":
            latest = time
        else:
            assert latest <= time


def test_labels_come_back_by_prediction_id_with_their_own_time() -> None:
    """Each label follows its prediction, also those of units that land after the last request."""
    events = [ask(0, "a"), ask(1, "b"), Label(at(2), "a", 1.0), Label(at(2), "stranger", 1.0), Label(at(90), "b", 0.0)]
    gateway = Gateway()
    summary = run(gateway, events, 2)
    assert summary.labels_sent == 2
    assert gateway.labels == [
        {"prediction_id": "id-a", "label": 1.0, "event_time": at(2).isoformat()},
        {"prediction_id": "id-b", "label": 0.0, "event_time": at(90).isoformat()},
    ]


def test_units_that_never_get_a_label_are_not_waited_for() -> None:
    """Two days after the last request the replay ends, even where the events never do."""

    def endless() -> Iterable[Event]:
        yield ask(0, "cancelled")
        minute = 1
        while True:
            yield Label(at(minute), f"stranger-{minute}", 1.0)
            minute += 60

    assert run(Gateway(), endless(), 1).labels_sent == 0


def test_what_fails_is_counted_by_its_reason() -> None:
    """An error answer, a lost connection and an answer without an id are failures; the rest goes on."""

    def answer(number: int) -> httpx.Response:
        if number == 1:
            raise httpx.ConnectError("refused")
        if number == 2:
            return httpx.Response(200, json={"predictions": [0.5]})
        return httpx.Response(503 if number == 0 else 200, json={"prediction_ids": ["x"]})

    summary = run(Gateway(answer), [ask(minute, f"u{minute}") for minute in range(4)], 4)
    assert (summary.sent, summary.ok, summary.failed) == (4, 1, 3)
    assert summary.failures == {"503": 1, "ConnectError": 1, "an answer without a prediction id": 1}


def test_the_summary_says_who_answered() -> None:
    """Counts by slot and version, and percentiles of the answers."""
    result = run(Gateway(), [ask(minute, f"u{minute}") for minute in range(4)], 4).to_json()
    assert result["by_slot"] == {"blue": 4}
    assert result["by_version"] == {"abc": 4}
    assert 0 < result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"]


def test_traffic_that_ends_early_is_no_error() -> None:
    """Fewer asks than wanted are all sent."""
    assert run(Gateway(), [ask(0, "a")], 10).sent == 1
    assert run(Gateway(), [], 10).to_json()["p50_ms"] is None


@pytest.mark.parametrize(("pace", "seconds"), [(Pace(4), 0.75), (Pace(4, speed=60), 3.0), (Pace(4, speed=360), 0.5)])
def test_the_pace_is_a_rate_or_a_speed(pace: Pace, seconds: float) -> None:
    """Request 3, three minutes after the first: by its number at a rate, by its time at a speed."""
    assert pace.due_seconds(3, at(0), at(3)) == seconds


def test_nothing_is_asked_while_event_time_stands_still() -> None:
    """What was asked before gets its labels meanwhile; afterwards the pace goes on as if no time had passed."""
    gateway, looks = Gateway(), list[float]()
    events: list[Event] = [ask(0, "a"), Label(at(1), "a", 1.0), ask(2, "b"), Label(at(3), "b", 0.0)]

    def held() -> bool:
        # The first request goes; then time stands still until the label of it has come.
        looks.append(len(gateway.seen))
        return bool(gateway.seen) and not gateway.labels

    async def replay() -> Summary:
        transport = httpx.MockTransport(gateway.handle)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway/m/") as client:
            replaying = Replay(client, gateway, FAST, lambda line: None, held)
            return await asyncio.wait_for(replaying.run(events, 2), 20)

    summary = asyncio.run(replay())
    assert (summary.ok, summary.labels_sent) == (2, 2)
    assert len(gateway.labels) == 2


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Ask(at(1), "u1", {"x": float("nan")}), "u1: the row .* cannot be sent .*not JSON compliant"),
        (Ask(at(1), "u1", {"x": START}), "u1: the row .* cannot be sent .*datetime is not JSON serializable"),
        (Ask(at(1), "Köln", {"x": 1}), "'Köln': expected an id of printable ASCII"),
        (Label(at(2), "u0", float("nan")), "u0: the label nan, expected a finite number"),
    ],
)
def test_what_cannot_be_sent_ends_the_replay_with_its_unit(event: Event, said: str) -> None:
    """Nothing of it is passed over in silence: a count that adds up is all that a replay is for."""
    with pytest.raises(ShipwayError, match=said):
        run(Gateway(), [ask(0, "u0"), event, ask(3, "u3")], 3)
