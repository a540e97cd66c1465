"""The metrics of one slot, by the contract's names; every series that a decision reads exists at 0 from the start."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from shipway.contract import metrics
from shipway.contract.metrics import EVIDENCE_SERIES, LATENCY_EDGES_SECONDS, PREDICTION_BINS, Outcome, Slot
from shipway.contract.release import short_digest
from shipway.contract.schema import Schema, Violation
from shipway.contract.serving import FallbackSource
from shipway.serving.read_measures import ReadMeasures

__all__ = ["Measures"]

_SLOT_LABELS = ("model", "version", "slot")
_AGE_EDGES_SECONDS = metrics.FEATURE_AGE_EDGES_SECONDS
# From one second to thirty days, about three a decade: ages are looked at by people, never compared bin by bin.


@dataclass(frozen=True)
class _Series:
    """Makes series that carry who a slot is."""

    registry: CollectorRegistry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name.removesuffix("_total"), text, (*_SLOT_LABELS, *labels), registry=self.registry)

    def histogram(
        self, name: str, text: str, *labels: str, edges: Sequence[float] = LATENCY_EDGES_SECONDS
    ) -> Histogram:
        return Histogram(name, text, (*_SLOT_LABELS, *labels), buckets=edges, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str, mode: Literal["mostrecent", "livesum"] = "mostrecent") -> Gauge:
        # Most gauges of several workers cannot be summed; the newest value is the true one.
        return Gauge(name, text, (*_SLOT_LABELS, *labels), registry=self.registry, multiprocess_mode=mode)


class Measures:
    """Counts what one slot does.

    The values live in prometheus_client, which sums them over worker processes where a target runs several; BentoML
    puts them on the same `/metrics` page as its own.

    Args:
        model, digest, slot: the labels of every series; the version is the digest's short form.
        schema: bounds the `field` label of violations.
        features: the names of the features the model reads; how reads go is counted by `reads`.
        prediction_edges: inner edges of the prediction bins, from the bundle's drift reference.
        live_edges: short digest -> inner edges of another version on which this one is compared with it.
        registry: where the series are registered.
    """

    def __init__(
        self,
        *,
        model: str,
        digest: str,
        slot: Slot,
        schema: Schema,
        features: Sequence[str],
        prediction_edges: Sequence[float],
        live_edges: Mapping[str, Sequence[float]],
        registry: CollectorRegistry,
    ) -> None:
        self._fields = frozenset(schema.names)
        who = (model, short_digest(digest), str(slot))

        make = _Series(registry)
        counter, histogram = make.counter, make.histogram
        requests = counter(metrics.REQUESTS_TOTAL, "Requests by how they ended, before any fallback.", "outcome")
        fallbacks = counter(metrics.FALLBACKS_TOTAL, "Requests answered by a fallback, by its source.", "source")
        missing = counter(metrics.FEATURE_MISSING_TOTAL, "Requests that got a feature's default.", "feature")
        missed = counter(metrics.FEATURE_MISSING_REQUESTS_TOTAL, "Requests that got any feature's default.")
        units = counter(metrics.UNITS_TOTAL, "Units seen first in the present step of a rollout.")
        self._unit_bin_counter = counter(
            metrics.UNIT_PREDICTION_BIN_TOTAL, "Each unit's first prediction in a rollout.", "reference", "bin"
        )
        ages = histogram(metrics.FEATURE_AGE_SECONDS, "Age of served values.", "feature", edges=_AGE_EDGES_SECONDS)
        self._violations = counter(metrics.VIOLATIONS_TOTAL, "Violations of the schema.", "field", "rule")
        self._who = who
        self._registry = registry
        self._evidence = cast(CollectorRegistry, registry.restricted_registry(EVIDENCE_SERIES))
        self._requests = {outcome: requests.labels(*who, str(outcome)) for outcome in Outcome}
        self._fallbacks = {source: fallbacks.labels(*who, str(source)) for source in FallbackSource}
        self._missing = {name: missing.labels(*who, name) for name in features}
        self._missing_requests = missed.labels(*who)
        self._units = units.labels(*who)
        self._unit_bins: dict[str, tuple[NDArray[np.float64], list[Counter]]] = {}
        self.compare_on({**live_edges, who[1]: prediction_edges})
        self._ages = {name: ages.labels(*who, name) for name in features}
        self._request_seconds = histogram(metrics.REQUEST_SECONDS, "Time of a whole request.").labels(*who)
        self._inference_seconds = histogram(metrics.INFERENCE_SECONDS, "Time in the model.").labels(*who)
        self.reads = ReadMeasures(who, registry)
        letters = counter(metrics.DEAD_LETTERS_TOTAL, "Requests that nobody could answer.", "outcome")
        self._dead_letters = {outcome: letters.labels(*who, str(outcome)) for outcome in Outcome}
        self._standing_by = make.gauge(metrics.FALLBACK_READY, "Whether a fallback could answer now.", "source")
        self._written = counter(metrics.PREDICTION_LOG_WRITTEN_TOTAL, "Log records on disk.", "log")
        self._dropped = counter(metrics.PREDICTION_LOG_DROPPED_TOTAL, "Log records lost: queue or disk full.", "log")
        self._heartbeat = make.gauge(
            metrics.HEARTBEAT_TIMESTAMP_SECONDS, "When a periodic job last did its work.", "job"
        )
        self._describe(make, digest)

    def _describe(self, make: _Series, digest: str) -> None:
        # Not the exposition's own process series: behind several worker processes those would be of nobody.
        self._cpu = make.counter(
            metrics.PROCESS_CPU_SECONDS_TOTAL, "CPU time that the slot's processes have used."
        ).labels(*self._who)
        self._cpu_seconds = 0.0
        self._memory = make.gauge(
            metrics.PROCESS_MEMORY_BYTES, "Memory that the slot's processes hold.", mode="livesum"
        ).labels(*self._who)
        make.gauge(metrics.MODEL_INFO, "What is served; always 1.", "digest").labels(*self._who, digest).set(1)

    def request(self, outcome: Outcome, seconds: float) -> None:
        """Counts one finished request; a rejected one says nothing about the version's speed, so it is not timed."""
        self._requests[outcome].inc()
        if outcome is not Outcome.REJECTED_INPUT:
            self._request_seconds.observe(seconds)

    def inference(self, seconds: float) -> None:
        """Times one call of the model."""
        self._inference_seconds.observe(seconds)

    def feature_age(self, name: str, seconds: float) -> None:
        """Records how old a served feature value is."""
        self._ages[name].observe(seconds)

    def feature_missing(self, names: Iterable[str]) -> None:
        """Counts the features that got their default in one request; each at most once, so that a ratio is one."""
        missing = set(names)
        for name in missing:
            self._missing[name].inc()
        if missing:
            self._missing_requests.inc()

    def unit(self) -> None:
        """Counts one unit at its first sight in a step."""
        self._units.inc()

    def unit_prediction(self, value: float) -> None:
        """Counts a unit's first prediction in a rollout, under the edges of each version it is compared on."""
        for edges, bins in list(self._unit_bins.values()):
            bins[int(np.searchsorted(edges, value, side="right"))].inc()

    def compare_on(self, edges: Mapping[str, Sequence[float]]) -> None:
        """Counts from now on under these edges too, each by the short digest of the version they come from."""
        for reference, inner in edges.items():
            if reference not in self._unit_bins:
                self._unit_bins[reference] = _bins_of(self._unit_bin_counter, (*self._who, reference), inner)

    def page(self) -> bytes:
        """Returns the page of all series in Prometheus' text format."""
        return generate_latest(self._registry)

    def evidence(self) -> bytes:
        """Returns the page of what a rollout is judged by, in Prometheus' text format."""
        return generate_latest(self._evidence)

    def fallback(self, source: FallbackSource) -> None:
        """Counts one request answered by `source`."""
        self._fallbacks[source].inc()

    def fallback_ready(self, source: FallbackSource, ready: bool) -> None:
        """Says whether `source` could answer now."""
        self._standing_by.labels(*self._who, str(source)).set(int(ready))

    def dead_letter(self, outcome: Outcome) -> None:
        """Counts one request that nobody could answer."""
        self._dead_letters[outcome].inc()

    def violations(self, found: Iterable[Violation]) -> None:
        """Counts violations; a field the schema does not know becomes `other`, so callers cannot make series."""
        tally = Tally((one.field if one.field in self._fields else "other", one.rule) for one in found)
        for (field, rule), count in tally.items():
            self._violations.labels(*self._who, field, rule).inc(count)

    def logged(self, log: str, written: int = 0, dropped: int = 0) -> None:
        """Counts log records written and lost; zero of each makes the series exist."""
        self._written.labels(*self._who, log).inc(written)
        self._dropped.labels(*self._who, log).inc(dropped)

    def heartbeat(self, job: str, now_seconds: float) -> None:
        """Says that `job` did its work at `now_seconds` since the epoch."""
        self._heartbeat.labels(*self._who, job).set(now_seconds)

    def process(self, cpu_seconds: float, memory_bytes: int) -> None:
        """Shows what this process has used: CPU time since its start, and the memory it holds now."""
        self._cpu.inc(max(cpu_seconds - self._cpu_seconds, 0.0))
        self._cpu_seconds = cpu_seconds
        self._memory.set(memory_bytes)


def _bins_of(
    counter: Counter, labels: tuple[str, ...], edges: Sequence[float]
) -> tuple[NDArray[np.float64], list[Counter]]:
    # A reference of few distinct predictions has fewer bins; the others stay at 0, so that every slot has the same.
    count = max(PREDICTION_BINS, len(edges) + 1)
    return np.asarray(edges, dtype=np.float64), [counter.labels(*labels, str(number)) for number in range(count)]
