"""Every periodic thing there is, how often it does its work, and after how much silence somebody is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shipway.contract.alerts import Severity
from shipway.contract.metrics import (
    ALERTS_JOB,
    DELIVERY_JOB,
    DRIFT_JOB,
    HEARTBEAT_TIMESTAMP_SECONDS,
    LABELS_JOB,
    LEDGER_JOB,
    MATERIALISE_JOB,
    PARITY_JOB,
    PREDICTIONS_LOG_JOB,
    RETRAINER_JOB,
    RETRAINING_JOB,
    SCRAPE_JOB,
    SERVING_JOB,
)

__all__ = ["PERIODIC", "SCRAPES", "Of", "Periodic", "silence_seconds"]

# A heartbeat is as old as its last scrape when it is looked at, and an alert takes another one to be told.
SCRAPES = 2


class Of(StrEnum):
    """What a periodic thing is one of: who has it decides where its alert comes from."""

    PLATFORM = "platform"
    CLUSTER = "cluster"
    MODEL = "model"


@dataclass(frozen=True)
class Periodic:
    """One periodic thing; its heartbeat is `shipway_heartbeat_timestamp_seconds{job=...}`, set after work was done.

    A run that "succeeds" without output sets no heartbeat: the metric says when there was last something to show. A
    run for which nothing was due has done its work.

    Args:
        job: the heartbeat's label.
        every_seconds: how often it does its work.
        objective_seconds: silence longer than this is an alarm.
        output: what a run leaves behind when it has worked.
        severity: whether its silence wakes somebody.
        silent: what its silence does to the traffic or to the people.
        look: the command to look with.
        of: the platform everywhere, a cluster alone, or each model.
        heartbeat: PromQL of when it last worked, where no process exports that; of one series at most.
    """

    job: str
    every_seconds: float
    objective_seconds: float
    output: str
    severity: Severity = Severity.TICKET
    silent: str = "What it should find stays unfound."
    look: str = "shipway doctor"
    of: Of = Of.PLATFORM
    heartbeat: str = ""

    def __post_init__(self) -> None:
        if self.objective_seconds <= self.every_seconds:
            raise ValueError(
                f"{self.job}: expected an objective ({self.objective_seconds} s) longer than the time between two runs "
                f"({self.every_seconds} s)"
            )

    @property
    def worked_at(self) -> str:
        """PromQL of when it last worked, in seconds since the epoch; no series before it first did."""
        return self.heartbeat or f'max({HEARTBEAT_TIMESTAMP_SECONDS}{{job="{self.job}"}})'


def silence_seconds(thing: Periodic, scrape_interval_seconds: float) -> float:
    """Returns how old the newest known heartbeat may be, so that somebody is told within the objective.

    Where scrapes are too seldom for the objective, it is what one run and two scrapes take: more often nobody looks.

    Args:
        thing: whose objective it is.
        scrape_interval_seconds: how often Prometheus scrapes and evaluates rules.

    >>> silence_seconds(Periodic("a", 1, 60, "rows"), 5), silence_seconds(Periodic("a", 1, 15, "rows"), 30)
    (50, 61)
    """
    looks = SCRAPES * scrape_interval_seconds
    return max(thing.objective_seconds - looks, thing.every_seconds + looks)


_ROWS = (
    Periodic(
        SCRAPE_JOB,
        15,
        120,
        "a page of metrics of anything at all",
        Severity.PAGE,
        "Nobody knows how any model does, and no rollout has evidence.",
        "shipway status",
        heartbeat="max(timestamp(up == 1))",
    ),
    Periodic(
        ALERTS_JOB,
        15,
        90,
        "the watchdog's notification at the receiver",
        Severity.PAGE,
        "No alert reaches anybody: Prometheus, Alertmanager or the receiver does not work.",
        "shipway status",
    ),
    Periodic(
        DELIVERY_JOB,
        0.25,
        15,
        "a look at every model under rollout",
        Severity.PAGE,
        "Traffic stays as it is: no rollout moves and none rolls back by itself.",
        "shipway status",
    ),
    Periodic(
        LEDGER_JOB,
        2,
        60,
        "every change entered, behind a last entry that can be read",
        Severity.TICKET,
        "Who did what to a release is not written down.",
        "shipway ledger verify",
    ),
    Periodic(
        LABELS_JOB,
        1,
        60,
        "the counts of joined labels",
        silent="Late labels are not joined, so none of them counts in a rollout.",
    ),
    Periodic(
        DRIFT_JOB,
        2,
        120,
        "the counts of new predictions and labels, and a verdict on every window that closed",
        silent="Inputs, predictions and labels may drift, and nobody is told.",
    ),
    Periodic(
        PARITY_JOB,
        2,
        600,
        "the counts of compared rows",
        silent="Served features are not compared with the offline ones: a skew between both stays unseen.",
        look="shipway parity MODEL",
    ),
    Periodic(
        MATERIALISE_JOB,
        3600,
        3 * 3600,
        "feature values in the online store",
        silent="Feature values do not go online; once they are older than their ttl, models get the defaults.",
        look="kubectl get jobs -A -l app.kubernetes.io/name=materialise",
        of=Of.CLUSTER,
    ),
    Periodic(
        SERVING_JOB,
        5,
        90,
        "a slot that is there for its requests",
        Severity.PAGE,
        "A slot answers its scrape but its loop stands: its requests wait until they time out.",
        "shipway status MODEL",
        of=Of.MODEL,
    ),
    Periodic(
        PREDICTIONS_LOG_JOB,
        2,
        180,
        "answered predictions on disk",
        silent="Requests are answered and none is logged: labels, drift, parity and retraining miss them for ever.",
        look="shipway status MODEL",
        of=Of.MODEL,
    ),
    Periodic(
        RETRAINING_JOB,
        2,
        60,
        "what starts when, of every model",
        silent="No model is trained anew, whatever drifts; each stays as it is.",
        look="shipway doctor",
    ),
    Periodic(
        RETRAINER_JOB,
        600,
        4 * 3600,
        "a look at what is due, and where something was, a run that did what it was asked",
        silent="The model is not trained anew, whatever drifts; it stays as it is.",
        look="kubectl get jobs -A -l app.kubernetes.io/name=retrainer",
        of=Of.CLUSTER,
    ),
)

PERIODIC: Mapping[str, Periodic] = {one.job: one for one in _ROWS}
