"""The alerts about silence, made from the one registry of periodic things."""

import math
from collections.abc import Iterable

from shipway.contract.alerts import AlertName
from shipway.contract.metrics import (
    HEARTBEAT_TIMESTAMP_SECONDS,
    LAST_WORK,
    MODELS_JOB,
    PREDICTION_LOG_WRITTEN_TOTAL,
    PREDICTIONS_LOG_JOB,
    REQUESTS_TOTAL,
    SERVING_JOB,
    Outcome,
)
from shipway.contract.periodic import PERIODIC, SCRAPES, Periodic, silence_seconds
from shipway.observability.alert_rule import AlertRule, Record
from shipway.observability.rendering import seconds

__all__ = ["job_down", "model_silence", "silence", "watchdog"]

_LISTENS_SECONDS = 15


def silence(things: Iterable[Periodic], scrape_interval_seconds: float) -> list[Record | AlertRule]:
    """Returns, for each periodic thing, the record of when it last worked and the alert on its age.

    The record reads itself, so it goes on when the heartbeat is gone: a process that died is as silent as one that
    hangs. Nothing was ever heard of a thing that never worked, so its age is counted from the first evaluation: a new
    stack has its objective's time, and so has one whose Prometheus was down for more than five minutes. After a shorter
    outage of its own Prometheus first listens, as far as the objective leaves time for it.

    Args:
        things: what the target runs.
        scrape_interval_seconds: how often Prometheus looks.
    """
    rules: list[Record | AlertRule] = []
    for thing in things:
        last = f'{LAST_WORK}{{part="{thing.job}"}}'
        quiet = silence_seconds(thing, scrape_interval_seconds)
        listens = _listens_seconds(thing, quiet, scrape_interval_seconds)
        known = f"{thing.worked_at} or max({last}) or vector(time())"
        rules += [
            Record(LAST_WORK, known, {"part": thing.job}),
            AlertRule(
                AlertName.SILENT,
                f"time() - {last} > {quiet - listens:g}",
                f"{thing.job}: nothing for {{{{ $value | humanizeDuration }}}}, expected {thing.output}. "
                f"{thing.silent}",
                listens,
                labels={"part": thing.job},
                severity=thing.severity,
            ),
        ]
    return rules


def _listens_seconds(thing: Periodic, quiet_seconds: float, scrape_interval_seconds: float) -> int:
    """Returns for how much of its silence Prometheus itself has to have been listening.

    After its own start it hears of its targets five to ten seconds late, and what it knows from before is as old as its
    own silence. Where the objective leaves no time for that, there is none.
    """
    spare = quiet_seconds - thing.every_seconds - SCRAPES * scrape_interval_seconds
    return min(_LISTENS_SECONDS, math.floor(spare))


def job_down(job: str, alert: AlertName, patience_seconds: float, start_seconds: float) -> list[Record | AlertRule]:
    """Returns the record of when a job last answered a scrape, and the alert on its age.

    Args:
        job: a scrape job of one target.
        alert: which alert it is.
        patience_seconds: how long it may not answer.
        start_seconds: how long it may take, beyond that, to answer for the first time.
    """
    last = f'{LAST_WORK}{{part="{job}"}}'
    first = f"vector(time() + {start_seconds:g})"
    return [
        Record(LAST_WORK, f'max(timestamp(up{{job="{job}"}} == 1)) or max({last}) or {first}', {"part": job}),
        AlertRule(
            alert,
            f"time() - {last} > {patience_seconds:g}",
            f"the platform's {job} does not answer its scrape",
            labels={"part": job},
        ),
    ]


def model_silence(model: str, scrape_interval_seconds: float) -> list[AlertRule]:
    """Returns the alerts about what each slot of a released model does again and again.

    Args:
        model: its name.
        scrape_interval_seconds: how often Prometheus looks.
    """
    return [
        _slot_stands(PERIODIC[SERVING_JOB], model, scrape_interval_seconds),
        _not_logged(PERIODIC[PREDICTIONS_LOG_JOB], model, scrape_interval_seconds),
    ]


def _slot_stands(serving: Periodic, model: str, scrape_interval_seconds: float) -> AlertRule:
    # A slot that does not answer at all is another alert; one that loads its model has no heartbeat yet.
    of = f'job="{MODELS_JOB}",model="{model}"'
    half = silence_seconds(serving, scrape_interval_seconds) / 2
    beating = f'time() - {HEARTBEAT_TIMESTAMP_SECONDS}{{model="{model}",job="{SERVING_JOB}"}} < {half:g}'
    return AlertRule(
        AlertName.SILENT,
        f"up{{{of}}} == 1 unless on (slot) ({beating})",
        f"slot {{{{ $labels.slot }}}} of {model} has no fresh heartbeat. {serving.silent}",
        half,
        {"part": SERVING_JOB},
        serving.severity,
    )


def _not_logged(log: Periodic, model: str, scrape_interval_seconds: float) -> AlertRule:
    # Predictions of the last moments wait to be written, and a scrape of each counter is another time.
    of, half = f'job="{MODELS_JOB}",model="{model}"', silence_seconds(log, scrape_interval_seconds) / 2
    window = seconds(half)
    answered = f'{REQUESTS_TOTAL}{{{of},outcome="{Outcome.OK}"}}'
    written = f'{PREDICTION_LOG_WRITTEN_TOTAL}{{{of},log="predictions"}}'
    return AlertRule(
        AlertName.SILENT,
        f"sum by (slot) (increase({answered}[{window}])) > 0 unless on (slot) "
        f"sum by (slot) (increase({written}[{window}])) > 0",
        f"slot {{{{ $labels.slot }}}} of {model} answers requests and no record of them comes to disk. {log.silent}",
        half,
        {"part": PREDICTIONS_LOG_JOB},
        log.severity,
    )


def watchdog() -> AlertRule:
    """Returns the alert that always fires: while its notifications arrive, those of others do."""
    return AlertRule(AlertName.WATCHDOG, "vector(1)", "alerts arrive; nobody need do anything about this one")
