"""Burn rates: the workbook's own numbers, and promtool on traffic just above and below them."""

import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.utils import floatToGoString

from shipway.contract.metrics import LATENCY_EDGES_SECONDS
from shipway.contract.model import SloSpec
from shipway.contract.presets import BURNS
from shipway.observability.alert_rule import AlertRule
from shipway.observability.burns import burns, slow_edge
from shipway.observability.rules import model_rules
from tests.shipway.observability.test_rules import ENVIRONMENT, MODEL, promtool

__all__ = ["promtool"]

MONTH_SECONDS = 30 * 86_400


def alerts(slo: SloSpec) -> list[AlertRule]:
    return [rule for rule in burns("m", slo, 30) if isinstance(rule, AlertRule)]


def test_the_pairs_of_windows_are_the_workbooks() -> None:
    """Of 30 days: 14.4 times over 1 h is 2 % of the budget, 6 times over 6 h is 5 %, once over 3 days is 10 %."""
    used = [(round(MONTH_SECONDS * one.long_ratio / 3600), round(one.factor * one.long_ratio, 4)) for one in BURNS]
    assert used == [(1, 0.02), (6, 0.05), (72, 0.1)]


def test_a_monthly_objective_gives_six_alerts() -> None:
    """Errors and slow answers, each over three pairs; the ticket is the slow one."""
    found = [(one.labels["objective"], one.labels["window"], str(one.urgency)) for one in alerts(SloSpec())]
    assert found == [
        (objective, window, urgency)
        for objective in ("errors", "latency")
        for window, urgency in (("1h", "page"), ("6h", "page"), ("3d", "ticket"))
    ]
    assert "> 0.144" in alerts(SloSpec())[0].expr


def test_a_rate_that_not_even_all_requests_reach_is_left_out() -> None:
    """With a budget of a tenth, 14.4 times it would be more than everything."""
    loose = alerts(SloSpec(error_ratio=0.1, latency_quantile=0.5))
    assert [(one.labels["objective"], one.labels["window"]) for one in loose] == [
        ("errors", "6h"),
        ("errors", "3d"),
        ("latency", "3d"),
    ]


def test_an_objective_over_a_week_scales_its_windows() -> None:
    """The same share of the budget, over a shorter time; no window is shorter than the records' five minutes."""
    assert [one.labels["window"] for one in alerts(SloSpec(window_seconds=7 * 86_400))][:3] == ["14m", "84m", "1008m"]
    assert {one.labels["window"] for one in alerts(SloSpec(window_seconds=3600))} == {"5m", "6m"}


@pytest.mark.parametrize("latency_seconds", [0.001, 0.3, 59.0, 600.0])
def test_slow_is_counted_from_an_edge_that_slots_export(latency_seconds: float) -> None:
    """The edge is of the shared grid, and written as the exposition writes it."""
    edge = slow_edge(latency_seconds)
    assert edge in LATENCY_EDGES_SECONDS
    assert f'le="{floatToGoString(edge)}"' in burns("m", SloSpec(latency_seconds=latency_seconds), 30)[3].expr


@pytest.mark.parametrize(("bad_each_minute", "window", "fires"), [(15, "1h", 1), (14, "1h", 0), (7, "6h", 1)])
def test_a_budget_that_burns_is_told_above_its_rate_alone(
    promtool: str, tmp_path: Path, bad_each_minute: int, window: str, fires: int
) -> None:
    """Of a hundred requests a minute: fifteen bad ones are more than 14.4 %, fourteen are not, seven more than 6 %."""
    (tmp_path / "rules.yml").write_text(model_rules(MODEL, ENVIRONMENT, released=True))
    series = {
        f'shipway_requests_total{{job="models",model="first-model",slot="blue",outcome="{outcome}"}}': f"0+{count}x240"
        for outcome, count in (("ok", 100 - bad_each_minute), ("error", bad_each_minute))
    }
    query = (
        'count(ALERTS{alertname="ShipwayBudgetBurnsFast",alertstate="firing",objective="errors",'
        f'window="{window}"}}) or vector(0)'
    )
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": "3h", "exp_samples": [{"labels": "{}", "value": fires}]}],
    }
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    command = [promtool, "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
