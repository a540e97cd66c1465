"""What the controller tells Prometheus: that it lives, what it sees wrong, and each model's shares and phase."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from shipway.contract.metrics import (
    DELIVERY_JOB,
    DELIVERY_PROBLEM,
    DISK_BYTES,
    HEARTBEAT_TIMESTAMP_SECONDS,
    LEDGER_JOB,
    ROLLOUT_PHASE,
    ROLLOUT_WEIGHT_PERCENT,
    Slot,
)
from shipway.delivery.envoy.routes import weights_percent
from shipway.delivery.served import ServedModel

__all__ = ["Measures"]


class Measures:
    """The controller's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._heartbeat = Gauge(
            HEARTBEAT_TIMESTAMP_SECONDS, "When the job last finished a round.", ["job"], registry=self.registry
        )
        self._problems = Gauge(
            DELIVERY_PROBLEM,
            "1 for each model or part that something stands in the way of.",
            ["subject"],
            registry=self.registry,
        )
        self._weight = Gauge(ROLLOUT_WEIGHT_PERCENT, "Share of the traffic.", ["model", "slot"], registry=self.registry)
        self._phase = Gauge(
            ROLLOUT_PHASE, "1 for the phase a rollout is in.", ["model", "phase"], registry=self.registry
        )

        self._disk = Gauge(
            DISK_BYTES, "The disk that the stack's files lie on.", ["volume", "kind"], registry=self.registry
        )

    def show(self, served: Mapping[str, ServedModel], problems: Mapping[str, str], *, leads: bool = True) -> None:
        """Shows one finished round; with a ledger that cannot be read or written, its heartbeat stands still.

        Args:
            served: what is served of each model.
            problems: model or part -> what stands in its way.
            leads: whether this copy is the one that acts; another one keeps no ledger.
        """
        for gauge in (self._problems, self._weight, self._phase):
            gauge.clear()
        for subject in problems:
            self._problems.labels(subject).set(1)
        for model, entry in served.items():
            weights = weights_percent(entry.state)
            for slot in Slot:
                self._weight.labels(model, slot).set(weights.get(slot, 0))
            self._phase.labels(model, entry.state.phase).set(1)
        now = time.time()
        self._heartbeat.labels(DELIVERY_JOB).set(now)
        if leads and LEDGER_JOB not in problems:
            self._heartbeat.labels(LEDGER_JOB).set(now)

    def disk(self, folder: Path) -> None:
        """Shows how full the disk is that holds `folder`.

        Raises:
            OSError: when there is no such folder.
        """
        found = shutil.disk_usage(folder)
        self._disk.labels("state", "used").set(found.used)
        self._disk.labels("state", "size").set(found.total)
