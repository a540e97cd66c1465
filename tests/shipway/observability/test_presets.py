"""The presets: what a model.yaml tunes, what it switches off, and what earlier days are compared with."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from shipway.contract import metrics
from shipway.contract.alerts import ALERTS, AlertName, runbook
from shipway.contract.documents import parse
from shipway.contract.errors import SpecError
from shipway.contract.model import ModelSpec
from shipway.contract.presets import PresetsSpec
from shipway.observability.alert_rule import AlertRule
from shipway.observability.presets import preset_rules
from shipway.observability.rules import model_rules
from tests.shipway.observability.test_rules import ENVIRONMENT, MODEL, READING, promtool

__all__ = ["promtool"]

TUNABLE = {
    "prediction_shift_sigmas": (AlertName.PREDICTION_SHIFT, "> 2"),
    "feature_deviation_ratio": (AlertName.FEATURE_DEVIATION, "> 0.1"),
    "accuracy_drop_ratio": (AlertName.QUALITY_DROP, "> 0.05"),
    "latency_growth_factor": (AlertName.LATENCY_GROWN, "> 2 *"),
    "utilisation_ratio": (AlertName.UTILISATION_HIGH, "> 0.8"),
    "label_coverage_ratio": (AlertName.LABELS_MISSING, "< 0.5"),
    "parity_difference_ratio": (AlertName.PARITY_DIFFERS, "> 0.01"),
}


def alerts(model: ModelSpec) -> dict[AlertName, str]:
    return {rule.alert: rule.expr for rule in preset_rules(model, 30) if isinstance(rule, AlertRule)}


def tuned(**changes: float | None) -> ModelSpec:
    return MODEL.model_copy(update={"alerts": PresetsSpec(**changes)})


def test_every_preset_is_tried_here() -> None:
    """A new key of `alerts` needs its alert."""
    assert set(TUNABLE) == set(PresetsSpec.model_fields)


@pytest.mark.parametrize("key", TUNABLE)
def test_a_preset_has_the_fields_usual_value_and_can_be_tuned_or_switched_off(key: str) -> None:
    """Null removes its alert and no other."""
    name, usual = TUNABLE[key]
    found = alerts(MODEL)
    assert usual in found[name]
    assert alerts(tuned(**{key: None})).keys() == found.keys() - {name}
    value = 1.75 if key == "latency_growth_factor" else 0.375
    assert f"{value:g}" in alerts(tuned(**{key: value}))[name]


def test_a_preset_out_of_its_range_is_refused() -> None:
    """With file, key and value."""
    with pytest.raises(SpecError, match=r"m\.yaml: utilisation_ratio: got 1\.5, expected less than 1"):
        parse(PresetsSpec, {"utilisation_ratio": 1.5}, "m.yaml")


def test_the_distance_follows_what_drift_says_of_it() -> None:
    """W1 has one limit in model.yaml, and it is not among the presets."""
    assert "> 0.15" in alerts(MODEL)[AlertName.WASSERSTEIN_ABOVE_LIMIT]


def _told(promtool: str, folder: Path, alert: AlertName, series: Mapping[str, str], expected: list[object]) -> None:
    """Asks promtool whether after two hours, a sample a minute, `alert` stands with these labels and annotations."""
    (folder / "rules.yml").write_text(model_rules(READING, ENVIRONMENT, released=True))
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "2h", "alertname": str(alert), "exp_alerts": expected}],
    }
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "tests.yml").write_text(yaml.safe_dump(tests))
    command = [promtool, "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _alert(name: AlertName, summary: str, **labels: str) -> object:
    found = {"severity": str(ALERTS[name].severity), "model": MODEL.name, "owner": MODEL.owner.team, **labels}
    annotations = {
        "summary": summary,
        "escalation": MODEL.owner.escalation,
        "owner_runbook_url": MODEL.owner.runbook_url,
        "runbook_url": runbook(name),
    }
    return {"exp_labels": found, "exp_annotations": annotations}


def _compared(feature: str, *, unknown: int, equal: int) -> dict[str, str]:
    """Returns the counters of parity of one feature, by how much they grow in a minute."""
    of = f'model="first-model",feature="{feature}"'
    return {
        f'{metrics.PARITY_ROWS_TOTAL}{{{of},outcome="unknown"}}': f"0+{unknown}x120",
        f'{metrics.PARITY_ROWS_TOTAL}{{{of},outcome="equal"}}': f"0+{equal}x120",
        f"{metrics.PARITY_COMPARED_TOTAL}{{{of}}}": f"0+{equal}x120",
    }


@pytest.mark.parametrize(
    ("of_wind", "fires"),
    [
        pytest.param({"unknown": 10, "equal": 0}, True, id="all of one feature unknown"),
        pytest.param({"unknown": 9, "equal": 1}, False, id="some of it compared"),
        pytest.param({"unknown": 0, "equal": 10}, False, id="all compared"),
        pytest.param({"unknown": 0, "equal": 0}, False, id="nothing of it looked at"),
    ],
)
def test_a_feature_that_is_never_compared_is_told_beside_one_that_is(
    promtool: str, tmp_path: Path, of_wind: dict[str, int], fires: bool
) -> None:
    """Each feature is judged by its own rows, and the alert names it."""
    series = _compared("weather_v1:wind", **of_wind) | _compared("plane_v1:built", unknown=0, equal=10)
    summary = (
        "first-model: 1.2k served values of weather_v1:wind were looked at and none could be compared with the "
        "offline ones"
    )
    name = AlertName.PARITY_UNDECIDED
    expected = [_alert(name, summary, feature="weather_v1:wind")] if fires else []
    _told(promtool, tmp_path, name, series, expected)


@pytest.mark.parametrize(("values", "fires"), [("0+1x120", True), ("500x120", False), ("0 60x120", False)])
def test_predictions_that_drift_cannot_count_are_told(promtool: str, tmp_path: Path, values: str, fires: bool) -> None:
    """While there are new ones, of this model: those of hours ago are no news."""
    series = {
        'shipway_drift_unknown_total{model="first-model"}': values,
        'shipway_drift_unknown_total{model="another"}': "0+5x120",
    }
    summary = "first-model: drift could not count 60 predictions in 1h, for the reference of their version is missing"
    expected = [_alert(AlertName.DRIFT_UNKNOWN, summary)] if fires else []
    _told(promtool, tmp_path, AlertName.DRIFT_UNKNOWN, series, expected)


@pytest.mark.parametrize(("today", "fires"), [(0.9, 1), (0.45, 0)])
def test_the_baseline_is_the_same_hour_of_the_days_before(
    promtool: str, tmp_path: Path, today: float, fires: int
) -> None:
    """Two quick days and a slow one: their median decides, and an hour that is always slow alarms nobody."""
    (tmp_path / "rules.yml").write_text(model_rules(MODEL, ENVIRONMENT, released=True))
    # An hour a step; each day its first hour is slower. What stands there as recorded is the record of these days.
    days = [[0.5, *[0.1] * 23], [0.3, *[0.1] * 23], [0.3, *[0.1] * 23]]
    past = " ".join(f"{value:g}" for day in days for value in day)
    series = {
        'shipway:request_seconds:p95{model="first-model"}': f"{past} {today:g} {today:g}",
        'shipway:request_seconds_bucket{model="first-model",slot="blue",le="+Inf"}': "0+100000x80",
    }
    checks = [
        ('shipway:request_seconds:p95_baseline{model="first-model"}', 0.3),
        ('shipway:request_seconds:p95{model="first-model"} > 2 * shipway:request_seconds:p95_baseline', today),
    ]
    case = {
        "interval": "1h",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"round(max({expr}), 0.001) or vector(0)",
                "eval_time": "72h",
                "exp_samples": [{"labels": "{}", "value": value if number == 0 or fires else 0}],
            }
            for number, (expr, value) in enumerate(checks)
        ],
    }
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1h", "tests": [case]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    command = [promtool, "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
