"""Recording and alert rules: the series delivery reads under one set of names, and what wakes a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shipway.contract.alerts import ALERTS, PLATFORM_OWNER, AlertName, runbook
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.metrics import (
    DELIVERY_JOB,
    DELIVERY_PROBLEM,
    FEATURE_AGE_EDGES_SECONDS,
    FEATURE_AGE_SECONDS,
    GATEWAY_JOB,
    MATERIALISE_JOB,
    MODELS_JOB,
    RECORDED,
    RETRAINER_JOB,
    Outcome,
)
from shipway.contract.model import ModelSpec
from shipway.contract.periodic import PERIODIC, Of, Periodic
from shipway.contract.presets import PresetsSpec
from shipway.observability.alert_rule import AlertRule, Group, Record
from shipway.observability.burns import BAD_OUTCOMES, minimum_requests
from shipway.observability.presets import preset_rules
from shipway.observability.rendering import render_template, seconds
from shipway.observability.silence import job_down, model_silence, silence, watchdog
from shipway.observability.utilisation import local_disk, of_gpus, utilisation

__all__ = ["gpu_rules", "materialise_rules", "model_rules", "platform_rules", "retrainer_rules"]

_TEMPLATES = Path(__file__).parent / "templates"

# A scrape may be lost on a busy machine; this many in a row are a fault.
_LOST_SCRAPES = 5
# A slot that loads its model does not answer yet, and that wakes nobody.
_LOADING_SECONDS = 60.0
# A new stack starts one thing after the other.
_STARTING_SECONDS = 60.0
# So long a slot that was down is remembered to have been up.
_REMEMBERED_SECONDS = 600
# What changes over minutes and days is looked at twice a minute.
_PRESETS_SECONDS = 30.0

# What half of the values of a feature is taken over.
_AGE_WINDOW_SECONDS = 1800

# One start may fail and the next one make up for it.
_MISSED_STARTS = 2

# What the DCGM exporter calls them: the last error's number, memory in MiB, and the time it computes in percent.
_XID, _GPU_USED, _GPU_FREE = "DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"
_GPU_BUSY = "DCGM_FI_DEV_GPU_UTIL"
_GPU_FULL_RATIO = 0.95
# A new node needs its driver first.
_GPU_WINDOW_SECONDS, _GPU_SILENT_SECONDS = 300, 900

_DOWN = {GATEWAY_JOB: AlertName.GATEWAY_DOWN}
# A gateway that restarts, or a file that is written, stands in nobody's way for so long.
_HINDERED_SECONDS = 300.0


def model_rules(model: ModelSpec, environment: EnvironmentSpec, *, released: bool) -> str:
    """Returns the rule file of one model.

    Args:
        model: whose SLO and owner they carry.
        environment: whose scrape interval sets the waiting times.
        released: whether any slot is filled; a model that was never released must not alert about missing targets.
    """
    interval_seconds = max(_PRESETS_SECONDS, environment.scrape_interval_seconds)
    presets = Group(f"presets-{model.name}", interval_seconds, tuple(preset_rules(model, interval_seconds)))
    silent = model_silence(model.name, environment.scrape_interval_seconds) if released else []
    return render_template(
        _TEMPLATES,
        "model_rules.yml.j2",
        model=model,
        alerts=ALERTS,
        runbook=_runbooks(environment),
        silent=silent,
        groups=[presets],
        slot_down=AlertName.SLOT_DOWN,
        not_scraped=AlertName.MODEL_NOT_SCRAPED,
        above_slo=AlertName.ERROR_RATIO_ABOVE_SLO,
        recorded=RECORDED,
        job=MODELS_JOB,
        released=released,
        interval_seconds=environment.scrape_interval_seconds,
        loading_seconds=_LOADING_SECONDS,
        patience_seconds=max(environment.scrape_interval_seconds * _LOST_SCRAPES, _STARTING_SECONDS / 2),
        prepare_seconds=model.rollout.prepare_seconds,
        remembered_seconds=max(_REMEMBERED_SECONDS, model.rollout.prepare_seconds),
        bad_outcomes=BAD_OUTCOMES,
        not_judged=str(Outcome.REJECTED_INPUT),
        minimum_requests=minimum_requests(model.slo.error_ratio),
        stale=AlertName.FEATURES_STALE,
        age=FEATURE_AGE_SECONDS,
        age_window=seconds(_AGE_WINDOW_SECONDS),
        # Beyond the last edge nobody can tell how old a value is.
        watched_reads=[
            read for read in model.features.reads if read.freshness_slo_seconds < FEATURE_AGE_EDGES_SECONDS[-1]
        ],
    )


def platform_rules(
    environment: EnvironmentSpec,
    scraped: Sequence[str] = tuple(_DOWN),
    periodic: Iterable[Periodic] = tuple(thing for thing in PERIODIC.values() if thing.of is Of.PLATFORM),
    disks: Mapping[str, str] | None = None,
) -> str:
    """Returns the rule file of the platform's own processes.

    Args:
        environment: whose scrape interval sets the waiting times.
        scraped: the jobs without a heartbeat that the target scrapes; what is never scraped would be missed for ever.
        periodic: the periodic things that the target runs; by default those of a local stack.
        disks: resource -> PromQL of its share in use; by default that of a local stack.
    """
    shares = local_disk() if disks is None else disks
    periodic = tuple(periodic)
    delivers = any(thing.job == DELIVERY_JOB for thing in periodic)
    slow_seconds = max(_PRESETS_SECONDS, environment.scrape_interval_seconds)
    patience_seconds = environment.scrape_interval_seconds * _LOST_SCRAPES
    down = [one for job in scraped for one in job_down(job, _DOWN[job], patience_seconds, _STARTING_SECONDS)]
    groups = [
        *([Group("platform", environment.scrape_interval_seconds, tuple(down))] if down else []),
        Group("silence", environment.scrape_interval_seconds, (watchdog(), *_silence(periodic, environment))),
        Group("utilisation", slow_seconds, tuple(utilisation(shares, PresetsSpec().utilisation_ratio, {}))),
        *([Group("delivery", environment.scrape_interval_seconds, (_hindered(),))] if delivers else []),
    ]
    return render_template(
        _TEMPLATES, "groups.yml.j2", runbook=_runbooks(environment), owner=PLATFORM_OWNER, groups=groups
    )


def _hindered() -> AlertRule:
    return AlertRule(
        AlertName.DELIVERY_HINDERED,
        f"max by (subject) ({DELIVERY_PROBLEM}) > 0",
        "something stands in the way of what delivery is to do about {{ $labels.subject }}: delivery's log says what",
        _HINDERED_SECONDS,
    )


def _silence(periodic: Iterable[Periodic], environment: EnvironmentSpec) -> list[Record | AlertRule]:
    return silence(periodic, environment.scrape_interval_seconds)


def _runbooks(environment: EnvironmentSpec) -> dict[AlertName, str]:
    return {name: runbook(name, environment.alerts.runbook_url) for name in AlertName}


def gpu_rules(environment: EnvironmentSpec, part: str) -> str:
    """Returns the rule file of the GPUs, by what the DCGM exporter of the GPU operator says.

    Args:
        environment: whose pools say whether a GPU must be there at all times.
        part: what the alerts are a part of.
    """
    shares = utilisation(of_gpus(_GPU_USED, _GPU_FREE, _GPU_BUSY), PresetsSpec().utilisation_ratio, {})
    return render_template(
        _TEMPLATES,
        "gpu_rules.yml.j2",
        alerts=ALERTS,
        runbook=_runbooks(environment),
        groups=[Group("gpu-utilisation", _PRESETS_SECONDS, tuple(shares))],
        silent=AlertName.GPUS_NOT_WATCHED,
        fault=AlertName.GPU_FAULT,
        full=AlertName.GPU_MEMORY_FULL,
        xid=_XID,
        used=_GPU_USED,
        free=_GPU_FREE,
        full_ratio=_GPU_FULL_RATIO,
        window_seconds=_GPU_WINDOW_SECONDS,
        silent_seconds=_GPU_SILENT_SECONDS,
        expected=any(pool.min_nodes for pool in environment.gpu_pools),
        owner=PLATFORM_OWNER,
        part=part,
    )


def materialise_rules(environment: EnvironmentSpec, namespace: str, cron_job: str, every_seconds: float) -> str:
    """Returns the rule file of the job that puts feature values online: its last success, and the alert on its age.

    A job is gone before anybody could scrape it; kube-state-metrics remembers when it last succeeded.

    Args:
        environment: which says where the runbook is.
        namespace, cron_job: where kube-state-metrics sees it.
        every_seconds: how often it is started.
    """
    thing = replace(
        PERIODIC[MATERIALISE_JOB],
        every_seconds=every_seconds,
        objective_seconds=every_seconds * (1 + _MISSED_STARTS),
        heartbeat=f'max(kube_cronjob_status_last_successful_time{{namespace="{namespace}",cronjob="{cron_job}"}})',
    )
    return render_template(
        _TEMPLATES,
        "groups.yml.j2",
        runbook=_runbooks(environment),
        owner=PLATFORM_OWNER,
        groups=[Group(MATERIALISE_JOB, _PRESETS_SECONDS, tuple(_silence([thing], environment)))],
    )


def retrainer_rules(
    model: ModelSpec, environment: EnvironmentSpec, namespace: str, cron_job: str, longest_seconds: float
) -> str:
    """Returns the rule file of a model's CronJob: an alert when none of its jobs has ended well for too long.

    That a run failed is told at once, by what the worker shows of it; this is for a job that never comes so far.

    Args:
        model: whose.
        environment: which says where the runbook is.
        namespace, cron_job: where kube-state-metrics sees it.
        longest_seconds: how long one of its jobs may take; meanwhile no other one is started.
    """
    row = PERIODIC[RETRAINER_JOB]
    thing = replace(
        row,
        # Each model's is another one.
        job=cron_job,
        objective_seconds=longest_seconds + row.every_seconds * (1 + _MISSED_STARTS),
        heartbeat=f'max(kube_cronjob_status_last_successful_time{{namespace="{namespace}",cronjob="{cron_job}"}})',
    )
    return render_template(
        _TEMPLATES,
        "groups.yml.j2",
        runbook=_runbooks(environment),
        owner=model.owner.team,
        groups=[Group(cron_job, _PRESETS_SECONDS, tuple(_silence([thing], environment)))],
    )
