"""What the parity process tells Prometheus: how the compared rows ended, what waits, and that it compares."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.contract.metrics import (
    PARITY_COMPARED_TOTAL,
    PARITY_DIFFERENT_TOTAL,
    PARITY_JOB,
    PARITY_ROWS_TOTAL,
)
from shipway.contract.parity import AGREED, SKEWED, ParityOutcome
from shipway.observability.worker import LastRound, heartbeat

__all__ = ["Measures", "Reading", "Row"]

WAITING = "shipway_parity_waiting_predictions"
DROPPED_TOTAL = "shipway_parity_dropped_total"
FAILURES_TOTAL = "shipway_parity_failures_total"


class Row(NamedTuple):
    """What rows are counted by."""

    model: str
    feature: str
    outcome: ParityOutcome


@dataclass(frozen=True)
class Reading:
    """What one finished round knows; it is shown as a whole.

    Args:
        finished_seconds: when the last round ended in which all that was due was compared; None before the first.
        rows: compared rows by model, feature and outcome.
        failures: model -> comparisons that could not be made.
        waiting: model -> sampled predictions that wait.
        dropped: model -> sampled predictions for which there was no room.
    """

    finished_seconds: float | None
    rows: Mapping[Row, int] = field(default_factory=dict[Row, int])
    failures: Mapping[str, int] = field(default_factory=dict[str, int])
    waiting: Mapping[str, int] = field(default_factory=dict[str, int])
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])


class _Page(Collector):
    def __init__(self, reading: Callable[[], Reading | None]) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        reading = self._reading()
        if reading is None:
            return
        rows = CounterMetricFamily(
            PARITY_ROWS_TOTAL,
            "Served values that were looked at, by how they compare with the offline ones.",
            labels=("model", "feature", "outcome"),
        )
        for row, count in sorted(reading.rows.items()):
            rows.add_metric(row, count)
        yield rows
        yield _summed(PARITY_COMPARED_TOTAL, "Served values that could be compared.", reading.rows, AGREED | SKEWED)
        yield _summed(PARITY_DIFFERENT_TOTAL, "Served values that are not the offline ones.", reading.rows, SKEWED)
        for name, help_text, kind, values in (
            (FAILURES_TOTAL, "Comparisons that could not be made.", CounterMetricFamily, reading.failures),
            (DROPPED_TOTAL, "Sampled predictions for which there was no room.", CounterMetricFamily, reading.dropped),
            (WAITING, "Sampled predictions that wait to be compared.", GaugeMetricFamily, reading.waiting),
        ):
            family = kind(name, help_text, labels=("model",))
            for model, value in sorted(values.items()):
                family.add_metric((model,), value)
            yield family
        if reading.finished_seconds is not None:
            yield heartbeat(PARITY_JOB, reading.finished_seconds)


def _summed(name: str, help_text: str, rows: Mapping[Row, int], outcomes: frozenset[ParityOutcome]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=("model", "feature"))
    sums: dict[tuple[str, str], int] = {}
    for row, count in rows.items():
        sums[row.model, row.feature] = sums.get((row.model, row.feature), 0) + count * (row.outcome in outcomes)
    for labels, count in sorted(sums.items()):
        family.add_metric(labels, count)
    return family


class Measures(LastRound[Reading]):
    """The metrics of the last finished round; before the first there are none."""

    def __init__(self) -> None:
        super().__init__("parity", _Page)
