"""One slot at work: features, the model in a thread with a deadline, the fallback chain, the counters, the log."""

import asyncio
import gc
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import psutil
from numpy.typing import NDArray

from shipway.contract.environment import Tier
from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import SERVING_JOB, Outcome, Slot
from shipway.contract.release import short_digest
from shipway.contract.schema import Schema
from shipway.contract.serving import ServingSpec
from shipway.serving.calls import BatchedCalls, Deadlines, SingleCalls
from shipway.serving.dead_letters import DeadLetter, DeadLetterLog
from shipway.serving.fallback import Exhausted, FallbackChain, Replacement
from shipway.serving.faults import Faults
from shipway.serving.features import FeatureReader, FeatureStatus, ServedFeature, described, joined
from shipway.serving.ids import Ids
from shipway.serving.inputs import InputCounts
from shipway.serving.measures import Measures
from shipway.serving.model_files import ModelFiles
from shipway.serving.outputs import checked, example_row
from shipway.serving.predictions import LabelLog, Logged, PredictionLog
from shipway.serving.references import LiveEdges
from shipway.serving.requests import Asked, most_rows
from shipway.serving.units import Units

__all__ = ["Answer", "Model", "Overloaded", "Runtime", "Unanswered"]

_LOGGER = logging.getLogger("shipway.serving")

_HEARTBEAT_SECONDS = 5.0
_WARM_UP_RETRY_SECONDS = 1.0
# How soon a slot learns that another version went live beside it.
_FOLLOW_SECONDS = 1.0
# What these say is about the example row or a file; another library's text may hold more, such as an address with a
# password.
_PLAIN = (ShipwayError, ValueError, TypeError, KeyError, IndexError, RuntimeError)
# Of its time: so long a call may hang before its requests are called one by one.
_HANGS_SHARE = 0.25


class Model(Protocol):
    """What the runtime needs of a service; `shipway.serving.base.ModelService` is one."""

    schema: ClassVar[Schema]

    def load(self, files: ModelFiles) -> None: ...

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]: ...

    def entities(self, row: Mapping[str, Any]) -> dict[str, object]: ...


class Overloaded(Exception):
    """As many requests as the model takes are in it already."""


class Unanswered(Exception):
    """The model gave no answer and nobody of the fallback chain has one; the text says the model's cause.

    Args:
        cause: one sentence.
        outcome: how the model did.
        request_id: by which the dead letter is found.
    """

    def __init__(self, cause: str, outcome: Outcome, request_id: str) -> None:
        super().__init__(cause)
        self.outcome, self.request_id = outcome, request_id


class Answer(NamedTuple):
    """What a request gets back: one prediction and one id a row, where they came from, and the age of repeated ones."""

    predictions: list[float]
    prediction_ids: list[str]
    source: str
    age_seconds: float | None = None


class Runtime:
    """Answers requests with one model of one bundle.

    Args:
        model: the service; already constructed, not yet loaded.
        name: the model's name.
        digest, slot: who serves.
        spec: deadline, bulkhead and fallback chain.
        files: what the model is loaded from.
        features: the reader of its features, None for a model without.
        measures: the slot's counters.
        inputs: what it sees, counted for drift.
        chain: who answers when the model does not.
        predictions, labels, dead_letters: the slot's logs.
        tier: only `local` believes a request's own event time.
        edges: learns the edges of the version that goes live beside this one; None where nothing is compared.
        faults: what a rehearsal puts around the model's calls, None for a version that is meant to work.
    """

    def __init__(
        self,
        model: Model,
        *,
        name: str,
        digest: str,
        slot: Slot,
        spec: ServingSpec,
        files: ModelFiles,
        features: FeatureReader | None,
        measures: Measures,
        inputs: InputCounts,
        chain: FallbackChain,
        predictions: PredictionLog,
        labels: LabelLog,
        dead_letters: DeadLetterLog,
        tier: Tier,
        edges: LiveEdges | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.model, self.name, self.version, self.slot = model, name, short_digest(digest), slot
        self.schema, self.spec, self.measures, self.labels, self.tier = model.schema, spec, measures, labels, tier
        self.inputs = inputs
        self._files, self._features, self._log = files, features, predictions
        self._chain, self._dead_letters = chain, dead_letters
        # A rehearsal fails a share of the calls, so each request needs its own. Otherwise those that wait share one:
        # as many threads as requests, in a model that lets go of the interpreter often, halve what a slot can answer.
        self._calls = (
            BatchedCalls(
                self._predict,
                spec.max_concurrency,
                most_rows(model.schema),
                # What is called alone then has most of its time left.
                hangs_seconds=_HANGS_SHARE * spec.timeout_seconds,
            )
            if faults is None
            else SingleCalls(self._predict, spec.max_concurrency)
        )
        self._deadlines = Deadlines(spec.timeout_seconds)
        self._units, self._ids, self._faults, self._edges = Units(), Ids(), faults, edges
        self._busy = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = False

    async def start(self) -> None:
        """Loads the model, then warms up in the background; `ready` says when that is done.

        Raises:
            ShipwayError: when the model cannot be loaded.
        """
        await asyncio.to_thread(self.model.load, self._files)
        self._tasks = [asyncio.create_task(work()) for work in (self._warm_up, self._beat, self._follow)]

    async def stop(self) -> None:
        """Writes the logs out and lets go of the threads; called after the last request was answered."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self._log.close)
        await asyncio.to_thread(self.labels.close)
        await asyncio.to_thread(self._dead_letters.close)
        self._chain.close()
        if self._features:
            self._features.close()
        self._calls.close()

    async def answer(self, asked: Asked) -> tuple[Answer, Outcome]:
        """Returns predictions for valid rows, and how the model itself did: a fallback's answer is not `ok`.

        Raises:
            Overloaded: when the bulkhead is full.
            Unanswered: when the model failed and nobody of the chain has an answer; it is a dead letter then.
        """
        # Whoever was sent here counts, however it ends: the gateway's split is judged, not this slot.
        sighting = self._units.see(asked.rollout_step, asked.routing_key)
        if sighting and sighting.new_in_step:
            self.measures.unit()
        if self._busy >= self.spec.max_concurrency:
            raise Overloaded
        # Taken before the first await, given back when the thread ends: a timed-out call still holds its place.
        self._busy += 1
        try:
            keys, features = await self._read_features(asked)
        except Exception as error:  # noqa: BLE001 - as in _infer: `entities` is the service's own code
            self._busy -= 1
            keys, features = [dict[str, object]()] * len(asked.rows), [()] * len(asked.rows)
            values, outcome, cause = self._raised(error)
        else:
            values, outcome, cause = await self._infer(joined(asked.rows, features))
            # Counted when the request ends, not when the features came: more of them than requests cannot be.
            self.measures.feature_missing(_defaults(features))
        self.inputs.add(asked.rows, features, values)
        source, age = "model", None
        if values is None:
            replaced = await self._fall_back(asked, features, outcome, cause)
            values, source, age = replaced.values, str(replaced.source), replaced.age_seconds
        else:
            if sighting and self._units.first_prediction(sighting):
                self.measures.unit_prediction(float(values[0]))
            self._chain.keep(asked, values)
        answer = Answer(values.tolist(), self._ids.take(len(asked.rows)), source, age)
        logged = map(Logged, answer.prediction_ids, asked.rows, keys, features, answer.predictions)
        rollout = asked.rollout_step.rollout if asked.rollout_step else 0
        self._log.append(asked.event_time, asked.unit_id, source, list(logged), rollout)
        return answer, outcome

    async def _read_features(self, asked: Asked) -> tuple[list[dict[str, object]], list[tuple[ServedFeature, ...]]]:
        if self._features is None:
            return [{}] * len(asked.rows), [()] * len(asked.rows)
        keys = [self.model.entities(row) for row in asked.rows]
        features = await self._features.read(keys, asked.event_time)
        for feature in (feature for row in features for feature in row):
            if feature.status is FeatureStatus.FRESH and feature.age_seconds is not None:
                self.measures.feature_age(feature.name, feature.age_seconds)
        return keys, features

    async def _infer(self, rows: list[dict[str, Any]]) -> tuple[NDArray[np.float64] | None, Outcome, str]:
        future = self._calls.submit(rows, self._finished)
        self._deadlines.watch(future)
        try:
            raw = await future
        except TimeoutError:
            return None, Outcome.TIMEOUT, f"the model took longer than {self.spec.timeout_seconds} s"
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the chain answers and the counter says so
            return self._raised(error)
        values, problem = checked(raw, len(rows))
        return (values, Outcome.OK, "") if values is not None else (None, Outcome.INVALID_OUTPUT, problem)

    def _raised(self, error: Exception) -> tuple[None, Outcome, str]:
        # The message may quote a row; the type and the place in the code are enough to find the cause.
        _LOGGER.error("the model raised %s", described(error))
        return None, Outcome.ERROR, f"the model raised {type(error).__name__}"

    def _predict(self, rows: Sequence[Mapping[str, Any]]) -> object:
        started = time.perf_counter()
        try:
            return self._faults.predict(self.model.predict, rows) if self._faults else self.model.predict(rows)
        finally:
            self.measures.inference(time.perf_counter() - started)

    def _finished(self) -> None:
        self._busy -= 1

    async def _fall_back(
        self, asked: Asked, features: Sequence[Sequence[ServedFeature]], outcome: Outcome, cause: str
    ) -> Replacement:
        try:
            return await self._chain.answer(asked, features)
        except Exhausted as exhausted:
            unanswered = Unanswered(cause, outcome, secrets.token_hex(16))
            letter = DeadLetter(
                request_id=unanswered.request_id,
                time=datetime.now(UTC),
                event_time=asked.event_time,
                unit_id=asked.unit_id,
                outcome=str(outcome),
                cause=cause,
                chain=exhausted.chain,
                rows=asked.rows,
                features=features,
            )
            self.measures.dead_letter(outcome)
            self._dead_letters.append(letter)
            raise unanswered from None

    async def _warm_up(self) -> None:
        row = example_row(self.schema)
        while not self.ready:
            try:
                await asyncio.to_thread(self._try_once, row)
                # What was loaded stays; scanning it again and again costs pauses of 150-250 ms.
                gc.collect()
                gc.freeze()
                self.ready = True
            except Exception as error:  # noqa: BLE001 - the service's own code, or the client of its store
                said = f"{type(error).__name__}: {error}" if isinstance(error, _PLAIN) else described(error)
                _LOGGER.error("not ready: the warm-up prediction failed (%s)", said)
                await asyncio.sleep(_WARM_UP_RETRY_SECONDS)
        _LOGGER.info("ready")

    def _try_once(self, row: dict[str, Any]) -> None:
        values: dict[str, float] = {}
        if self._features:
            values = self._features.warm_up(self.model.entities(row))
        output, problem = checked(self.model.predict([{**row, **values}]), 1)
        if output is None:
            raise ValueError(problem)

    async def _beat(self) -> None:
        process = psutil.Process()
        while True:
            self.measures.heartbeat(SERVING_JOB, time.time())
            self.measures.process(time.process_time(), process.memory_info().rss)
            if self._edges:
                self.measures.compare_on(await asyncio.to_thread(self._edges.learn))
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def _follow(self) -> None:
        while True:
            await self._chain.follow()
            await asyncio.sleep(_FOLLOW_SECONDS)


def _defaults(features: Sequence[Sequence[ServedFeature]]) -> set[str]:
    return {feature.name for served in features for feature in served if feature.status is not FeatureStatus.FRESH}
