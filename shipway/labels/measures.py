"""What the labels process tells Prometheus: what was right and wrong, what it dropped, and that it lives."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shipway.contract.errors import Fatal
from shipway.contract.metrics import HEARTBEAT_TIMESTAMP_SECONDS, LABELLED_TOTAL
from shipway.labels.join import Counts, Series

__all__ = ["Measures", "Reading"]

JOB = "labels"
FORGOTTEN_TOTAL = "shipway_labels_forgotten_total"
UNUSABLE_TOTAL = "shipway_labels_unusable_total"
SKIPPED_FILES_TOTAL = "shipway_labels_skipped_files_total"


@dataclass(frozen=True)
class Reading:
    """What one finished round knows; it is shown as a whole.

    Args:
        finished_seconds: when the round ended, since the epoch.
        counts: right and wrong of each series.
        predictions_forgotten, labels_forgotten: dropped unjoined, to make room.
        unusable: records without a finite number.
        skipped_files: files that are no segments, or torn.
    """

    finished_seconds: float
    counts: Mapping[Series, Counts] = field(default_factory=dict[Series, Counts])
    predictions_forgotten: int = 0
    labels_forgotten: int = 0
    unusable: int = 0
    skipped_files: int = 0


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
        heartbeat = GaugeMetricFamily(
            HEARTBEAT_TIMESTAMP_SECONDS, "When the job last finished a round.", labels=("job",)
        )
        heartbeat.add_metric((JOB,), reading.finished_seconds)
        yield heartbeat


class Measures:
    """The metrics of the last finished round; before the first there are none.

    A page that showed half of a round would look, after a restart, as if counters had fallen and grown again.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reading: Reading | None = None
        self.registry.register(_Page(lambda: self._reading))

    def show(self, reading: Reading) -> None:
        """Shows one finished round."""
        self._reading = reading

    @contextmanager
    def exposed(self, port: int) -> Generator[None]:
        """Serves the metrics on loopback `port` while the block runs.

        Raises:
            Fatal: when somebody else listens there.
        """
        try:
            server, thread = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except OSError as error:
            raise Fatal(f"cannot serve the labels' metrics on port {port} ({error.strerror})") from None
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
