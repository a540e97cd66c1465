"""What the labels process tells Prometheus: what was right and wrong, what it dropped, and that it lives."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.contract.metrics import (
    LABEL_COVERAGE_RATIO,
    LABELLED_TOTAL,
    LABELS_JOB,
    QUALITY,
    QUALITY_DROP_BESIDE_RATIO,
    QUALITY_DROP_LIMIT_RATIO,
    QUALITY_DROP_RATIO,
)
from shipway.labels.join import Counts, Series
from shipway.labels.quality import Assessment
from shipway.observability.worker import LastRound, heartbeat

__all__ = ["Measures", "Reading"]

FORGOTTEN_TOTAL = "shipway_labels_forgotten_total"
UNUSABLE_TOTAL = "shipway_labels_unusable_total"
SKIPPED_FILES_TOTAL = "shipway_labels_skipped_files_total"
SAMPLED_RATIO = "shipway_labels_sampled_ratio"


@dataclass(frozen=True)
class Reading:
    """What one finished round knows; it is shown as a whole.

    Args:
        worked_seconds: when the last round ended that could look at all logs, since the epoch; None before the first.
        counts: right and wrong of each series.
        predictions_forgotten, labels_forgotten: dropped unjoined, to make room.
        unusable: records without a finite number.
        skipped_files: files that are no segments, or torn.
        assessed: model -> what its labels say of its quality.
    """

    worked_seconds: float | None
    counts: Mapping[Series, Counts] = field(default_factory=dict[Series, Counts])
    predictions_forgotten: int = 0
    labels_forgotten: int = 0
    unusable: int = 0
    skipped_files: int = 0
    assessed: Mapping[str, Assessment] = field(default_factory=dict[str, Assessment])


class _Page(Collector):
    def __init__(self, reading: Callable[[], Reading | None]) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        reading = self._reading()
        if reading is None:
            return
        labelled = CounterMetricFamily(
            LABELLED_TOTAL,
            "Predictions made while both slots served whose label has come.",
            labels=("model", "version", "rollout", "outcome"),
        )
        for (model, version, rollout), counts in sorted(reading.counts.items()):
            for outcome, count in (("right", counts.right), ("wrong", counts.wrong)):
                labelled.add_metric((model, version, str(rollout), outcome), count)
        yield labelled
        forgotten = CounterMetricFamily(
            FORGOTTEN_TOTAL,
            "Records dropped unjoined to make room; labels of predictions outside rollouts all end so.",
            labels=("log",),
        )
        forgotten.add_metric(("predictions",), reading.predictions_forgotten)
        forgotten.add_metric(("labels",), reading.labels_forgotten)
        yield forgotten
        yield CounterMetricFamily(UNUSABLE_TOTAL, "Records without a finite number.", value=reading.unusable)
        yield CounterMetricFamily(SKIPPED_FILES_TOTAL, "Files that are no segments.", value=reading.skipped_files)
        yield from _quality(reading.assessed)
        if reading.worked_seconds is not None:
            yield heartbeat(LABELS_JOB, reading.worked_seconds)


def _quality(assessed: Mapping[str, Assessment]) -> Iterator[Metric]:
    """Yields the metrics of the newest week, and the drop that is certain now."""
    names = ("model", "version", "segment", "metric")
    value = GaugeMetricFamily(
        QUALITY,
        "Each metric of a version over its newest week, by late labels; `_low` and `_high` bound it.",
        labels=names,
    )
    low = GaugeMetricFamily(f"{QUALITY}_low", "The least that the metric may be.", labels=names)
    high = GaugeMetricFamily(f"{QUALITY}_high", "The greatest that the metric may be.", labels=names)
    drop = GaugeMetricFamily(
        QUALITY_DROP_RATIO, "How much worse than its reference a metric is for certain, relative to it.", labels=names
    )
    beside = GaugeMetricFamily(
        QUALITY_DROP_BESIDE_RATIO,
        "How much worse than the version before it in the same hours a metric is for certain, relative to it.",
        labels=names,
    )
    limit = GaugeMetricFamily(
        QUALITY_DROP_LIMIT_RATIO, "How far a metric may fall, as model.yaml says.", labels=("model",)
    )
    coverage = GaugeMetricFamily(
        LABEL_COVERAGE_RATIO,
        "Of predictions old enough to have a label, the share that has one.",
        labels=("model", "version"),
    )
    sampled = GaugeMetricFamily(
        SAMPLED_RATIO, "The share of the newest week's predictions that quality is measured on.", labels=("model",)
    )
    for model, assessment in sorted(assessed.items()):
        for one in assessment.quality:
            if one.window.name == "week":
                series = (one.version, one.segment, one.metric)
                for family, end in ((value, one.estimate.value), (low, one.estimate.low), (high, one.estimate.high)):
                    family.add_metric((model, *series), end)
        for series, ratio in assessment.drops().items():
            drop.add_metric((model, *series), ratio)
        for series, ratio in assessment.drops_beside().items():
            beside.add_metric((model, *series), ratio)
        for version, covered in sorted(assessment.coverage.items()):
            coverage.add_metric((model, version), covered.labelled / covered.due)
        sampled.add_metric((model,), assessment.sampled_ratio)
        if assessment.limit_ratio is not None:
            limit.add_metric((model,), assessment.limit_ratio)
    yield from (value, low, high, drop, beside, limit, coverage, sampled)


class Measures(LastRound[Reading]):
    """The metrics of the last finished round; before the first there are none."""

    def __init__(self) -> None:
        super().__init__("labels", _Page)
