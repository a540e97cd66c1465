"""Replay: asks in the order of their time at a chosen pace, values published before those who may know them."""

import asyncio
import json
import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import EVENT_TIME_HEADER, UNIT_HEADER
from shipway.traffic.events import Ask, Event, Label, Publish
from shipway.traffic.publisher import Publisher
from shipway.traffic.summary import Summary

__all__ = ["Pace", "Replay"]

# More requests than this at the same time means the platform is down, not slow; the replay then waits.
_MAX_IN_FLIGHT = 256

# Values and labels gather for so long before they are sent: at a high rate one write a request would be all there is.
_FLUSH_EVERY_SECONDS = 0.1

# But values for no longer than this of event time: what is served later than `parity.publication_lag_seconds` after it
# was known, five minutes by default, is taken for a skew of the platform's.
_GATHER = timedelta(minutes=3)

# A value is written when the requests from before its time are answered, so that none of them can see it; one that
# hangs is not waited for longer than this.
_DRAIN_SECONDS = 1.0

_PROGRESS_EVERY_SECONDS = 2.0

# How often is looked whether event time goes on.
_HELD_SECONDS = 0.1

# Some units never get a label; after so much event time no more is expected for those asked about.
_LABELS_WITHIN = timedelta(days=2)
_LABELS_PER_CALL = 500


@dataclass(frozen=True)
class Pace:
    """How fast: a fixed number of requests a second, or, where `speed` is given, event time times `speed`.

    Args:
        requests_per_second: without a `speed`.
        speed: how many times faster than it happened.
        gather: how old, by event time, a value may be that a request finds unwritten; None for any age, where a replay
            is so fast that it would write before every request.
    """

    requests_per_second: float
    speed: float | None = None
    gather: timedelta | None = _GATHER

    def due_seconds(self, number: int, first: datetime, at: datetime) -> float:
        """Returns when to send request `number` (from 0), in seconds after the first.

        Args:
            number: its place in the order.
            first: the event time of the first request.
            at: its own event time.
        """
        if self.speed is None:
            return number / self.requests_per_second
        return (at - first).total_seconds() / self.speed


class Replay:
    """One replay of one model.

    Args:
        client: speaks to the gateway; its base address ends in the model's name.
        publisher: takes the feature values, None for a model that reads none.
        pace: how fast.
        progress: called with one line every two seconds.
        held: whether event time stands still now, as it all but does while a model is trained: nothing is asked then.
        most_in_flight: with so many requests unanswered the next one waits.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        publisher: Publisher | None,
        pace: Pace,
        progress: Callable[[str], None],
        held: Callable[[], bool] = lambda: False,
        most_in_flight: int = _MAX_IN_FLIGHT,
    ) -> None:
        self._client, self._publisher, self._pace, self._progress = client, publisher, pace, progress
        self._held, self._most_in_flight = held, most_in_flight
        self.summary = Summary()
        self._in_flight: set[asyncio.Task[None]] = set()
        # Unit -> the id of its prediction, None until it is answered, and gone when its label is sent.
        self._ids: dict[str, str | None] = {}
        self._values: list[Publish] = []
        self._labels: list[Label] = []
        self._flushed_at = float("-inf")
        self._now: datetime | None = None

    @property
    def now(self) -> datetime | None:
        """The event time of the newest request, None before the first."""
        return self._now

    async def run(self, events: Iterable[Event], requests: int) -> Summary:
        """Sends the first `requests` asks of `events`, then the labels that belong to them, and returns the counts.

        Raises:
            ShipwayError: for a request or a label that cannot be sent as it is.
        """
        reporter = asyncio.create_task(self._report())
        try:
            iterator = iter(events)
            await self._ask_all(iterator, requests)
            await self._drain(None)
            await self._label_all(iterator)
        finally:
            reporter.cancel()
            for task in self._in_flight:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await reporter
        return self.summary

    async def _ask_all(self, events: Iterable[Event], requests: int) -> None:
        started, first = time.perf_counter(), None
        for event in events:
            if isinstance(event, Publish):
                self._values.append(event)
            elif isinstance(event, Label):
                self._keep(event)
            else:
                if first is None:
                    # Opening the store and writing what was known before takes seconds that belong to no request.
                    await self._publish()
                    started, first = time.perf_counter(), event.at
                if self._held():
                    started += await self._stand_still()
                await self._ask(event, started + self._pace.due_seconds(self.summary.sent, first, event.at))
                if self.summary.sent >= requests:
                    return

    async def _stand_still(self) -> float:
        """Returns after how many seconds event time goes on; what is known by now is sent meanwhile."""
        stopped = time.perf_counter()
        await self._drain(_DRAIN_SECONDS)
        await self._feedback(self._take_labels())
        while self._held():
            await asyncio.sleep(_HELD_SECONDS)
        return time.perf_counter() - stopped

    async def _ask(self, ask: Ask, due: float) -> None:
        body = _body(ask)
        if due - self._flushed_at >= _FLUSH_EVERY_SECONDS or self._waited_too_long(ask.at):
            self._flushed_at = due
            if self._values:
                await self._drain(_DRAIN_SECONDS)
                await self._publish()
            self._start(self._feedback(self._take_labels()))
        if (delay := due - time.perf_counter()) > 0:
            await asyncio.sleep(delay)
        while len(self._in_flight) >= self._most_in_flight:
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        self._now = ask.at
        self._ids[ask.unit_id] = None
        self.summary.sent += 1
        self._start(self._predict(ask, body))

    def _waited_too_long(self, now: datetime) -> bool:
        """Returns whether a value was known so long before `now` that whoever asks now has to find it."""
        gather = self._pace.gather
        return gather is not None and bool(self._values) and now - self._values[0].at > gather

    async def _predict(self, ask: Ask, body: bytes) -> None:
        headers = {
            "content-type": "application/json",
            UNIT_HEADER: ask.unit_id,
            EVENT_TIME_HEADER: ask.at.isoformat(),
        }
        started = time.perf_counter()
        try:
            answer = await self._client.post("predict", content=body, headers=headers)
        except httpx.HTTPError as error:
            self.summary.refused(type(error).__name__)
            return
        if answer.status_code != 200:
            self.summary.refused(str(answer.status_code))
            return
        seconds = time.perf_counter() - started
        try:
            self._ids[ask.unit_id] = str(answer.json()["prediction_ids"][0])
        except (ValueError, LookupError, TypeError):
            self.summary.refused("an answer without a prediction id")
            return
        self.summary.answered(
            answer.headers.get("x-slot", "unknown"), answer.headers.get("x-model-version", "unknown"), seconds
        )

    async def _label_all(self, events: Iterable[Event]) -> None:
        """Sends what is left: the asks are over, so the truths about them may all come at once."""
        waiting = {unit for unit, prediction in self._ids.items() if prediction is not None}
        waiting -= {label.unit_id for label in self._labels}
        for event in events:
            if not waiting or (self._now is not None and event.at - self._now > _LABELS_WITHIN):
                break
            if isinstance(event, Label):
                self._keep(event)
                waiting.discard(event.unit_id)
        while labels := self._take_labels():
            await self._feedback(labels)

    def _keep(self, label: Label) -> None:
        # A label of a unit that was asked about before this replay began has no prediction here to belong to.
        if label.unit_id not in self._ids:
            return
        if not math.isfinite(label.label):
            raise ShipwayError(f"{label.unit_id}: the label {label.label}, expected a finite number")
        self._labels.append(label)

    def _take_labels(self) -> list[dict[str, Any]]:
        """Returns labels whose predictions are known, at most one call's worth; the others wait."""
        taken: list[dict[str, Any]] = []
        waiting: list[Label] = []
        for label in self._labels:
            prediction = self._ids.get(label.unit_id)
            if prediction is None or len(taken) == _LABELS_PER_CALL:
                waiting.append(label)
            else:
                del self._ids[label.unit_id]
                taken.append({"prediction_id": prediction, "label": label.label, "event_time": label.at.isoformat()})
        self._labels = waiting
        return taken

    async def _feedback(self, labels: list[dict[str, Any]]) -> None:
        if not labels:
            return
        try:
            answer = await self._client.post("feedback", json={"labels": labels})
        except httpx.HTTPError as error:
            self.summary.failures[f"feedback {type(error).__name__}"] += 1
            return
        if answer.status_code == 200:
            self.summary.labels_sent += len(labels)
        else:
            self.summary.failures[f"feedback {answer.status_code}"] += 1

    async def _publish(self) -> None:
        values, self._values = self._values, []
        if values and self._publisher is not None:
            await self._publisher.publish(values)

    async def _drain(self, timeout_seconds: float | None) -> None:
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=timeout_seconds)

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY_SECONDS)
            if self._now is None:
                self._progress("publishing what was known before the first request")
                continue
            counted = self.summary.to_json()
            slow = "no answer yet" if counted["p95_ms"] is None else f"p95 {counted['p95_ms']} ms"
            self._progress(
                f"sent {counted['sent']}, ok {counted['ok']}, failed {counted['failed']}, "
                f"{slow}, labels {counted['labels_sent']}, event time {self._now.isoformat()}"
            )


def _body(ask: Ask) -> bytes:
    """Returns a request's body; what is no JSON would otherwise be lost in a task that nobody looks at.

    Raises:
        ShipwayError: naming the unit.
    """
    if not ask.unit_id.isascii() or not ask.unit_id.isprintable():
        raise ShipwayError(f"{ask.unit_id!r}: expected an id of printable ASCII, for it goes into a header")
    try:
        return json.dumps({"rows": [dict(ask.row)]}, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ShipwayError(f"{ask.unit_id}: the row of its request cannot be sent as JSON: {error}") from None
