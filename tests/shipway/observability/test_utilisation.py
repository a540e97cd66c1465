"""Use and its forecast: a straight line that reaches its limit when arithmetic says so."""

import subprocess
from pathlib import Path

import pytest
import yaml

from shipway.observability.rules import platform_rules
from tests.shipway.observability.test_rules import ENVIRONMENT, promtool

__all__ = ["promtool"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        # 700 of 1000 bytes at first, one more a minute: at 850 it is 150 minutes until all are used.
        pytest.param("700+1x200", "at this rate it is full in 2h 30m 0s", id="grows"),
        pytest.param("850x200", "nothing says that it grows", id="stands"),
    ],
)
def test_a_disk_that_fills_is_told_with_the_time_that_is_left(
    promtool: str, tmp_path: Path, values: str, told: str
) -> None:
    """Above four fifths, with what the regression over the last hours says."""
    (tmp_path / "rules.yml").write_text(platform_rules(ENVIRONMENT))
    series = {
        'shipway_disk_bytes{job="delivery",volume="state",kind="used"}': values,
        'shipway_disk_bytes{job="delivery",volume="state",kind="size"}': "1000x200",
    }
    expected = {
        "exp_labels": {"severity": "ticket", "owner": "platform", "resource": "disk", "volume": "state"},
        "exp_annotations": {
            "summary": f"disk: 8{'4.5' if told.startswith('at') else '5'}% is used, expected at most 80%; {told}",
            "runbook_url": "docs/alerts.md#shipwayutilisationhigh",
        },
    }
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "alert_rule_test": [
            {"eval_time": "150m", "alertname": "ShipwayUtilisationHigh", "exp_alerts": [expected]},
            {"eval_time": "1m", "alertname": "ShipwayUtilisationHigh", "exp_alerts": []},
        ],
    }
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    command = [promtool, "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
