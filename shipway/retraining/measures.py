"""What the scheduler of retrainings tells Prometheus: of each model, what failed, what is due, and that it lives."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.contract.metrics import (
    RETRAINING_DUE_TIMESTAMP_SECONDS,
    RETRAINING_FAILED,
    RETRAINING_JOB,
    RETRAINING_LAST_SUCCESS_TIMESTAMP_SECONDS,
    RETRAINING_RUNNING,
)
from shipway.contract.retraining import RetrainingSpec
from shipway.observability.worker import LastRound, heartbeat
from shipway.retraining.memory import Memory
from shipway.retraining.schedule import due_seconds

__all__ = ["Measures", "ModelReading", "Reading", "reading_of"]


@dataclass(frozen=True)
class ModelReading:
    """What is known of one model.

    Args:
        failures: since the last success; the first one already is an alarm.
        last_success_seconds: since the epoch, 0 for never.
        due_seconds: by when the schedule's next run must have succeeded; None without a schedule.
        running: whether a run is under way.
    """

    failures: int
    last_success_seconds: float
    due_seconds: float | None
    running: bool


def reading_of(rule: RetrainingSpec, memory: Memory) -> ModelReading:
    """Returns what is known of a model that is retrained by `rule`."""
    due = None
    if rule.every_seconds is not None:
        # It may take its whole time; a failed one is due when it was, so that retries do not hide it.
        last = max(memory.begun_seconds, memory.last_success_seconds)
        due = min(due_seconds(rule, memory), last + rule.every_seconds) + rule.timeout_seconds
    return ModelReading(memory.failures, memory.last_success_seconds, due, memory.planned is not None)


@dataclass(frozen=True)
class Reading:
    """What one finished round knows; it is shown as a whole.

    Args:
        finished_seconds: when the round ended, since the epoch.
        models: by name.
    """

    finished_seconds: float
    models: Mapping[str, ModelReading]


class _Page(Collector):
    def __init__(self, reading: Callable[[], Reading | None]) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        reading = self._reading()
        if reading is None:
            return
        failed = _gauge(RETRAINING_FAILED, "Retrainings that failed since the last one that did not.")
        success = _gauge(RETRAINING_LAST_SUCCESS_TIMESTAMP_SECONDS, "When a retraining last did what it was asked.")
        due = _gauge(RETRAINING_DUE_TIMESTAMP_SECONDS, "By when the schedule's next retraining must have succeeded.")
        running = _gauge(RETRAINING_RUNNING, "Whether a retraining is under way.")
        for model, known in sorted(reading.models.items()):
            failed.add_metric((model,), known.failures)
            running.add_metric((model,), known.running)
            if known.last_success_seconds:
                success.add_metric((model,), known.last_success_seconds)
            if known.due_seconds is not None:
                due.add_metric((model,), known.due_seconds)
        yield from (failed, success, due, running)
        yield heartbeat(RETRAINING_JOB, reading.finished_seconds)


def _gauge(name: str, says: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, labels=("model",))


class Measures(LastRound[Reading]):
    """The metrics of the last finished round; before the first there are none."""

    def __init__(self) -> None:
        super().__init__("retraining", _Page)
