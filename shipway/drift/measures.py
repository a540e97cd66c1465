"""What the drift process tells Prometheus: scores and verdicts of each model, what it counted, and that it lives."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.contract.drift import DriftStatus
from shipway.contract.metrics import DRIFT_JOB, DRIFT_SCORE, DRIFT_STATUS, DRIFT_UNKNOWN_TOTAL
from shipway.drift.detector import Seen, decisive
from shipway.observability.worker import LastRound, heartbeat

__all__ = ["COUNTED_TOTAL", "FORGOTTEN_TOTAL", "Measures", "Reading", "Score", "State", "shown"]

COUNTED_TOTAL = "shipway_drift_counted_total"
FORGOTTEN_TOTAL = "shipway_drift_forgotten_total"


class Score(NamedTuple):
    """One sample of `shipway_drift_score`."""

    model: str
    version: str
    window: str
    feature: str
    statistic: str
    value: float


class State(NamedTuple):
    """One sample of `shipway_drift_status`."""

    model: str
    version: str
    window: str
    feature: str
    status: DriftStatus


@dataclass(frozen=True)
class Reading:
    """What one round knows; it is shown as a whole.

    Args:
        worked_seconds: when a round last looked at every model, since the epoch; None before the first.
        scores, states: of every model that is watched.
        counted: (model, log) -> records counted since the process began.
        unknown: model -> predictions of versions whose bundle is not there.
        forgotten: model -> predictions dropped before a label came, to make room.
    """

    worked_seconds: float | None = None
    scores: Sequence[Score] = ()
    states: Sequence[State] = ()
    counted: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    unknown: dict[str, int] = field(default_factory=dict[str, int])
    forgotten: dict[str, int] = field(default_factory=dict[str, int])


def shown(model: str, window: str, seen: Sequence[Seen]) -> tuple[list[Score], list[State]]:
    """Returns the samples of what one window says of all rows.

    Beside the scores there are, of every field with numbers, `mean_shift`: how far the mean moved, in standard
    deviations of the reference; and `mean_deviation`: how far, as a share of the reference's mean.

    Args:
        model: whose.
        window: what to call the window.
        seen: its parts.
    """
    scores: list[Score] = []
    states: list[State] = []
    for part in seen:
        who = (model, part.version, window)
        for one in part.results:
            if one.score is not None and math.isfinite(one.score):
                scores.append(Score(*who, one.feature, one.statistic, one.score))
        told = {one.feature for one in part.results if one.score is not None}
        for feature, shape in sorted(part.shapes.items()):
            if feature not in told or shape.mean is None or shape.reference_mean is None:
                continue
            moved = abs(shape.mean - shape.reference_mean)
            if shape.reference_deviation:
                scores.append(Score(*who, feature, "mean_shift", moved / shape.reference_deviation))
            if shape.reference_mean:
                scores.append(Score(*who, feature, "mean_deviation", moved / abs(shape.reference_mean)))
        states += [State(*who, one.feature, DriftStatus(one.status.value)) for one in decisive(part.results)]
    return scores, states


class _Page(Collector):
    def __init__(self, reading: Callable[[], Reading | None]) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        reading = self._reading()
        if reading is None:
            return
        labels = ("model", "version", "window", "feature")
        score = GaugeMetricFamily(DRIFT_SCORE, "How far a field drifted.", labels=(*labels, "statistic"))
        for one in reading.scores:
            score.add_metric(one[:-1], one.value)
        yield score
        status = GaugeMetricFamily(DRIFT_STATUS, "0 stable, 1 drifted, 2 too few rows, 3 silent.", labels=labels)
        for one in reading.states:
            status.add_metric(one[:-1], one.status.number)
        yield status
        counted = CounterMetricFamily(COUNTED_TOTAL, "Records of the logs that were counted.", labels=("model", "log"))
        for (model, log), records in sorted(reading.counted.items()):
            counted.add_metric((model, log), records)
        yield counted
        for name, text, values in (
            (DRIFT_UNKNOWN_TOTAL, "Predictions of versions whose bundle is not there.", reading.unknown),
            (FORGOTTEN_TOTAL, "Predictions dropped before a label came, to make room.", reading.forgotten),
        ):
            family = CounterMetricFamily(name, text, labels=("model",))
            for model, records in sorted(values.items()):
                family.add_metric((model,), records)
            yield family
        if reading.worked_seconds is not None:
            yield heartbeat(DRIFT_JOB, reading.worked_seconds)


class Measures(LastRound[Reading]):
    """The metrics of the last finished round; before the first there are none."""

    def __init__(self) -> None:
        super().__init__("drift", _Page)
