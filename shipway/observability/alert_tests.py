"""Unit tests of alert rules, made for whatever a file holds: each alert fires on its trouble and on nothing else."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from shipway.contract.alerts import AlertName
from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import (
    DELIVERY_JOB,
    FEATURE_AGE_SECONDS,
    GATEWAY_JOB,
    HEARTBEAT_TIMESTAMP_SECONDS,
    LABELS_JOB,
    MODELS_JOB,
    REQUESTS_TOTAL,
    Outcome,
)

__all__ = ["AlertTests", "alert_tests", "run_alert_tests", "untested"]

_STEP_SECONDS = 30
# Longer than an alert waits; for the job that is started every hour, longer than three starts.
_STORY_SECONDS, _LONG_STORY_SECONDS = 900, 4 * 3600
# Values go on until the end of the longest story.
_SAMPLES = _LONG_STORY_SECONDS // _STEP_SECONDS
_PROMTOOL_SECONDS = 60

Series = Mapping[str, str]


@dataclass(frozen=True)
class _Cases:
    """Two stories about one alert.

    Args:
        trouble: series -> values of one in which it must fire.
        quiet: of one in which it must not.
        seconds: how long both are.
    """

    trouble: Series
    quiet: Series
    seconds: int = _STORY_SECONDS


@dataclass(frozen=True)
class AlertTests:
    """What `promtool test rules` said; a file that does not pass counts as failed with all its tests."""

    passed: int
    failed: int


def _steady(value: float) -> str:
    return f"{value:g}x{_SAMPLES}"


def _growing(each_step: float) -> str:
    return f"0+{each_step:g}x{_SAMPLES}"


def _slot(model: str) -> str:
    return f'job="{MODELS_JOB}",model="{model}",slot="blue",instance="a"'


def _slot_down(model: str, _group: str) -> _Cases:
    up = f"up{{{_slot(model)}}}"
    return _Cases({up: _steady(0)}, {up: _steady(1)})


def _not_scraped(model: str, _group: str) -> _Cases:
    # One that is down is scraped: this alert is about nobody looking.
    return _Cases({}, {f"up{{{_slot(model)}}}": _steady(0)})


def _above_slo(model: str, _group: str) -> _Cases:
    def requests(outcome: Outcome) -> str:
        return f'{REQUESTS_TOTAL}{{{_slot(model)},outcome="{outcome}"}}'

    ok = {requests(Outcome.OK): _growing(10_000)}
    # A caller's own mistakes are many, and no error of the slot.
    quiet = {**ok, requests(Outcome.REJECTED_INPUT): _growing(10_000)}
    return _Cases({**ok, requests(Outcome.ERROR): _growing(10_000)}, quiet)


def _job_down(job: str) -> Callable[[str, str], _Cases]:
    up = f'up{{job="{job}"}}'
    return lambda _model, _group: _Cases({up: _steady(0)}, {up: _steady(1)})


def _stalled(_model: str, _group: str) -> _Cases:
    beat = f'{HEARTBEAT_TIMESTAMP_SECONDS}{{job="{DELIVERY_JOB}"}}'
    return _Cases({beat: _steady(0)}, {beat: _growing(_STEP_SECONDS)})


def _late(_model: str, group: str) -> _Cases:
    found = re.search(r"kube_cronjob_status_last_successful_time\{[^}]*\}", group)
    if found is None:
        raise ShipwayError(f"{AlertName.MATERIALISATION_LATE}: its group records no success of a job")
    return _Cases({found[0]: _steady(0)}, {found[0]: _growing(_STEP_SECONDS)}, _LONG_STORY_SECONDS)


def _features_stale(_model: str, group: str) -> _Cases:
    found = re.search(rf"{FEATURE_AGE_SECONDS}_bucket{{([^}}]*)}}.*> ([0-9.]+)", group)
    if found is None:
        raise ShipwayError(f"{AlertName.FEATURES_STALE}: its group compares no age with an objective")
    of, objective = found[1], float(found[2])

    def ages(*, within: bool) -> Series:
        counts = {f"{objective:g}": within, f"{2 * objective:g}": True, "+Inf": True}
        bucket = f"{FEATURE_AGE_SECONDS}_bucket{{{of},le="
        return {f'{bucket}"{edge}"}}': _growing(100) if grows else _steady(0) for edge, grows in counts.items()}

    return _Cases(ages(within=False), ages(within=True))


def _gpu(name: str) -> str:
    return f'{name}{{Hostname="gpu-1",gpu="0"}}'


_XID, _USED, _FREE = (_gpu(f"DCGM_FI_DEV_{name}") for name in ("XID_ERRORS", "FB_USED", "FB_FREE"))


def _not_watched(_model: str, _group: str) -> _Cases:
    return _Cases({}, {_XID: _steady(0)})


def _gpu_fault(_model: str, _group: str) -> _Cases:
    # An error of long ago is no news.
    return _Cases({_XID: f"0x{_STORY_SECONDS // _STEP_SECONDS - 2} 79x9"}, {_XID: _steady(79)})


def _gpu_full(_model: str, _group: str) -> _Cases:
    return _Cases({_USED: _steady(23_900), _FREE: _steady(100)}, {_USED: _steady(12_000), _FREE: _steady(12_000)})


_CASES: Mapping[str, Callable[[str, str], _Cases]] = {
    AlertName.SLOT_DOWN: _slot_down,
    AlertName.MODEL_NOT_SCRAPED: _not_scraped,
    AlertName.ERROR_RATIO_ABOVE_SLO: _above_slo,
    AlertName.FEATURES_STALE: _features_stale,
    AlertName.GATEWAY_DOWN: _job_down(GATEWAY_JOB),
    AlertName.DELIVERY_DOWN: _job_down(DELIVERY_JOB),
    AlertName.LABELS_DOWN: _job_down(LABELS_JOB),
    AlertName.DELIVERY_STALLED: _stalled,
    AlertName.MATERIALISATION_LATE: _late,
    AlertName.GPUS_NOT_WATCHED: _not_watched,
    AlertName.GPU_FAULT: _gpu_fault,
    AlertName.GPU_MEMORY_FULL: _gpu_full,
}


def untested(rules: str) -> list[str]:
    """Returns the alerts of a rule file for which there are no tests."""
    return [alert["alert"] for alert, _ in _alerts(rules) if alert["alert"] not in _CASES]


def alert_tests(rules: str, rule_file: str) -> dict[str, Any]:
    """Returns what `promtool test rules` takes: a firing and a quiet case for each alert of a rule file.

    Args:
        rules: the file's text.
        rule_file: its name beside the tests.

    Raises:
        ShipwayError: when an alert has no case.
    """
    if missing := untested(rules):
        raise ShipwayError(f"no tests of {', '.join(missing)}, expected a firing and a quiet case in {__name__}")
    tests: list[dict[str, Any]] = []
    for alert, group in _alerts(rules):
        cases = _CASES[alert["alert"]](alert.get("labels", {}).get("model", ""), group)
        for series, fires in ((cases.trouble, True), (cases.quiet, False)):
            tests.append(_test(alert["alert"], series, cases.seconds, fires=fires))
    return {"rule_files": [rule_file], "evaluation_interval": f"{_STEP_SECONDS}s", "tests": tests}


def run_alert_tests(promtool: Path | str, rules: str) -> AlertTests:
    """Returns how many tests of a rule file passed.

    Raises:
        ShipwayError: when an alert has no case.
        OSError: when there is no such promtool.
        subprocess.TimeoutExpired: when it does not come back.
    """
    with tempfile.TemporaryDirectory() as folder:
        document = alert_tests(rules, "rules.yml")
        (Path(folder) / "rules.yml").write_text(rules, encoding="utf-8")
        (Path(folder) / "tests.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
        done = subprocess.run(
            [promtool, "test", "rules", "tests.yml"],
            cwd=folder,
            capture_output=True,
            timeout=_PROMTOOL_SECONDS,
            check=False,
        )
    count = len(document["tests"])
    return AlertTests(passed=count, failed=0) if done.returncode == 0 else AlertTests(passed=0, failed=count)


def _alerts(rules: str) -> list[tuple[dict[str, Any], str]]:
    """Returns each alert of a rule file, and the text of the group it is in."""
    groups = cast(list[dict[str, Any]], yaml.safe_load(rules)["groups"])
    return [
        (rule, "\n".join(each["expr"] for each in group["rules"]))
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    ]


def _test(alert: str, series: Series, seconds: int, *, fires: bool) -> dict[str, Any]:
    # Counted, not compared: who is told, and in which words, is other tests' claim.
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    expected = [{"labels": "{}", "value": int(fires)}]
    return {
        "interval": f"{_STEP_SECONDS}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": firing, "eval_time": f"{seconds}s", "exp_samples": expected}],
    }
