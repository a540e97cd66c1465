"""The process on a cluster: what it is told, and what it says of a wrong word."""

import json
from pathlib import Path
from typing import Any

import pytest

from shipway.delivery.__main__ import main
from shipway.delivery.cluster.process import scrapes
from shipway.delivery.cluster.settings import read_settings

SETTINGS: dict[str, Any] = {
    "environment": "onprem",
    "models_namespace": "shipway-onprem-models",
    "lease": {"namespace": "shipway-onprem", "name": "delivery"},
    "prometheus_url": "http://prometheus.monitoring.svc:9090",
    "alertmanager": "alertmanager.monitoring.svc:9093",
    "records": "s3://bucket",
    "scrape_interval_seconds": 5,
    "runbook_url": "docs/alerts.md",
}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "delivery.json"
    path.write_text(json.dumps(SETTINGS | changes))
    return path


def test_samples_are_news_until_a_third_scrape_is_due(tmp_path: Path) -> None:
    """Both while slots are compared and in a guard, of the series of this environment alone."""
    found = scrapes(read_settings(written(tmp_path)))
    assert (found.comparing_job, found.guarding_job, found.environment) == ("models", "models", "onprem")
    assert (found.window_seconds("models"), found.guarding_window_seconds) == (12.5, 12.5)


def test_callers_of_an_httproute_do_not_stay(tmp_path: Path) -> None:
    """A few callers who come back would look like a split that is not as the weight says."""
    assert not scrapes(read_settings(written(tmp_path))).callers_stay


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"records": "/var/lib"}, "records: got '/var/lib', expected string should match pattern"),
        ({"prometheus": "x"}, "prometheus: got 'x', expected no such key; known keys are alertmanager, environment"),
        ({"scrape_interval_seconds": 0}, "scrape_interval_seconds: got 0, expected greater than 0"),
        ({"lease": {"namespace": "a"}}, "lease.name: got 'nothing', expected a value: this key is required"),
    ],
)
def test_a_wrong_setting_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    """It names file and key, and nothing was asked of the cluster."""
    path = written(tmp_path, **changes)
    assert main(["cluster", "--config", str(path), "--metrics-port", "1"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: {said}")


def test_what_pulumi_tells_is_what_is_read(tmp_path: Path) -> None:
    """Also to the last key; the component's own test holds these values."""
    assert read_settings(written(tmp_path)).model_dump(mode="json") == SETTINGS
