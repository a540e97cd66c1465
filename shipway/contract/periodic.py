"""Every periodic thing there is, how often it does its work, and after how much silence somebody is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.contract.metrics import DELIVERY_JOB, DRIFT_JOB, LABELS_JOB

__all__ = ["PERIODIC", "Periodic"]


@dataclass(frozen=True)
class Periodic:
    """One periodic thing; its heartbeat is `shipway_heartbeat_timestamp_seconds{job=...}`, set after work was done.

    A run that "succeeds" without output sets no heartbeat: the metric says when there was last something to show.

    Args:
        job: the heartbeat's label.
        every_seconds: how often it does its work.
        objective_seconds: silence longer than this is an alarm.
        output: what a run leaves behind when it has worked.
    """

    job: str
    every_seconds: float
    objective_seconds: float
    output: str


_ROWS = (
    Periodic(DELIVERY_JOB, 0.25, 15, "a look at every model under rollout"),
    Periodic(LABELS_JOB, 1, 60, "the counts of joined labels"),
    Periodic(DRIFT_JOB, 2, 120, "the counts of new predictions and labels, and a verdict on every window that closed"),
)

PERIODIC: Mapping[str, Periodic] = {one.job: one for one in _ROWS}
