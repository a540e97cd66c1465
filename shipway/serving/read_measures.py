"""The metrics of feature reads: how each try ended, what was tried again, and whether the circuit is closed."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shipway.contract import metrics
from shipway.serving.circuit import CircuitState
from shipway.serving.features import ReadOutcome

__all__ = ["ReadMeasures"]

_SLOT_LABELS = ("model", "version", "slot")


class ReadMeasures:
    """Counts the reads of one slot; every series exists from the start.

    Args:
        who: model, version and slot.
        registry: where the series are registered.
    """

    def __init__(self, who: tuple[str, str, str], registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name.removesuffix("_total"), text, (*_SLOT_LABELS, *labels), registry=registry)

        reads = counter(metrics.FEATURE_READS_TOTAL, "Tries to read the feature store by how they ended.", "outcome")
        retries = counter(metrics.FEATURE_RETRIES_TOTAL, "Failed reads that were tried again or not.", "outcome")
        opened = counter(metrics.FEATURE_CIRCUIT_OPENED_TOTAL, "Times the feature store's circuit opened.")
        states = Gauge(
            metrics.FEATURE_CIRCUIT_STATE,
            "1 for the state in which the feature store's circuit is.",
            (*_SLOT_LABELS, "state"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        seconds = Histogram(
            metrics.FEATURE_SECONDS,
            "Time in the feature store.",
            _SLOT_LABELS,
            buckets=metrics.LATENCY_EDGES_SECONDS,
            registry=registry,
        )
        self._seconds = seconds.labels(*who)
        self._reads = {outcome: reads.labels(*who, str(outcome)) for outcome in ReadOutcome}
        self._retries = {made: retries.labels(*who, "made" if made else "refused") for made in (True, False)}
        self._opened = opened.labels(*who)
        self._states = {state: states.labels(*who, str(state)) for state in CircuitState}
        self._show(CircuitState.CLOSED)

    def timed(self, seconds: float) -> None:
        """Times all that a request spent on the store."""
        self._seconds.observe(seconds)

    def tried(self, outcome: ReadOutcome) -> None:
        """Counts one try."""
        self._reads[outcome].inc()

    def retried(self, made: bool) -> None:
        """Counts a failed read for which there was a retry, or no budget for one."""
        self._retries[made].inc()

    def circuit(self, state: CircuitState) -> None:
        """Shows the circuit's new state."""
        if state is CircuitState.OPEN:
            self._opened.inc()
        self._show(state)

    def _show(self, state: CircuitState) -> None:
        for known, gauge in self._states.items():
            gauge.set(int(known is state))
