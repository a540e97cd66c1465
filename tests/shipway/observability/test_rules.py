"""What is recorded and alerted on, accepted by promtool and right on invented series."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.contract import metrics
from shipway.contract.alerts import ALERTS, AlertName
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.metrics import RECORDED, ROLLOUT_JOB, Slot
from shipway.contract.model import ModelSpec
from shipway.contract.periodic import PERIODIC
from shipway.contract.serving import FeaturesSpec
from shipway.observability.burns import minimum_requests
from shipway.observability.rules import materialise_rules, model_rules, platform_rules, retrainer_rules
from shipway.observability.scrape import prometheus_config
from shipway.observability.targets import model_targets

REPOSITORY = Path(__file__).resolve().parents[3]

ENVIRONMENT = EnvironmentSpec.model_validate(
    {
        "name": "local",
        "tier": "local",
        "target": "local",
        "cpu_pool": {"cpu_millicores": 1, "memory_mib": 1},
        "ports": {"base": 8080},
        "scrape_interval_seconds": 0.5,
    },
    strict=False,
)

MODEL = ModelSpec.model_validate(
    {
        "name": "first-model",
        "description": "a model",
        "owner": {"team": 'the "A" team: 100%', "contact": "c", "escalation": "e > f", "runbook_url": "https://r"},
        "resources": {"cpu_millicores": 1, "memory_mib": 1},
        "evaluation": {"gates": [{"metric": "auc", "minimum": 0.5}]},
    },
    strict=False,
)

CONFIG = prometheus_config(
    ENVIRONMENT,
    gateway="127.0.0.1:1",
    delivery="127.0.0.1:2",
    workers={"labels": "127.0.0.1:3"},
    alertmanager="127.0.0.1:4",
)


@pytest.fixture
def promtool() -> str:
    """Returns the path of promtool: the project's own, on PATH, or in the tool cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "shipway" / "tools"
    places = [REPOSITORY / ".shipway" / "bin", *cache.glob("prometheus-*"), *os.environ["PATH"].split(os.pathsep)]
    found = shutil.which("promtool", path=os.pathsep.join(str(place) for place in places))
    if found is None:
        pytest.skip("promtool is not here; `make setup` gets it")
    return found


def _promtool(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _alerts(text: str) -> dict[str, Any]:
    return {
        rule["alert"]: rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if "alert" in rule
    }


def _all_alerts(text: str) -> list[Any]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("released", [True, False])
def test_promtool_accepts_every_generated_file(promtool: str, tmp_path: Path, released: bool) -> None:
    """Rules, targets and configuration fit together, whatever stands in an owner's name."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "targets").mkdir()
    (tmp_path / "rollout").mkdir()
    (tmp_path / "prometheus.yml").write_text(CONFIG)
    (tmp_path / "rules" / "platform.yml").write_text(platform_rules(ENVIRONMENT))
    (tmp_path / "rules" / "model.yml").write_text(model_rules(MODEL, ENVIRONMENT, released=released))
    (tmp_path / "targets" / "model.json").write_text(model_targets("m", "local", {Slot.BLUE: "127.0.0.1:3"}))
    _promtool(promtool, "check", "config", tmp_path / "prometheus.yml")


def test_every_series_that_delivery_reads_is_recorded_with_its_labels() -> None:
    """A recording rule renames one model's series and drops no label: `instance` must stay for deltas."""
    recorded = {
        rule["record"]: rule["expr"]
        for group in yaml.safe_load(model_rules(MODEL, ENVIRONMENT, released=True))["groups"]
        if group["name"].startswith("recorded-")
        for rule in group["rules"]
    }
    assert recorded == {name: f'{series}{{job="models",model="first-model"}}' for name, series in RECORDED.items()}


def test_an_alert_carries_its_owner() -> None:
    """Who is woken finds the team, the escalation and the runbook in the alert, word for word."""
    for alert in _alerts(model_rules(MODEL, ENVIRONMENT, released=True)).values():
        assert alert["labels"]["owner"] == 'the "A" team: 100%'
        assert alert["annotations"]["escalation"] == "e > f"
        assert alert["annotations"]["owner_runbook_url"] == "https://r"
        assert alert["annotations"]["runbook_url"] == f"docs/alerts.md#{alert['alert'].lower()}"


def test_every_alert_of_the_rules_is_in_the_registry_with_its_severity() -> None:
    """The page of alerts lists whatever the rules can raise; one of the platform's names who answers."""
    platform = _all_alerts(platform_rules(ENVIRONMENT))
    for rule in [*platform, *_all_alerts(model_rules(MODEL, ENVIRONMENT, released=True))]:
        name, labels = AlertName(rule["alert"]), rule["labels"]
        silent = PERIODIC[labels["part"]].severity if name is AlertName.SILENT else None
        assert labels["severity"] == (silent or ALERTS[name].severity)
    for rule in platform:
        assert rule["labels"]["owner"] == "platform"
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"
    assert set(ALERTS) == set(AlertName)


def test_a_target_alerts_on_what_it_runs() -> None:
    """What is never scraped, or never there, would be missed for ever."""
    found = yaml.safe_load(platform_rules(ENVIRONMENT, scraped=(), periodic=[PERIODIC[metrics.DELIVERY_JOB]]))
    alerts = [rule for group in found["groups"] for rule in group["rules"] if "alert" in rule]
    assert {(rule["alert"], rule["labels"].get("part")) for rule in alerts} == {
        (AlertName.WATCHDOG, None),
        (AlertName.SILENT, "delivery"),
        (AlertName.UTILISATION_HIGH, None),
        (AlertName.DELIVERY_HINDERED, None),
    }


def test_a_late_materialisation_is_silence_of_the_platform() -> None:
    """Kubernetes remembers when its job last succeeded; two starts may fail, and a third one take its time."""
    (group,) = yaml.safe_load(materialise_rules(ENVIRONMENT, "models", "materialise", 3600))["groups"]
    record, alert = group["rules"]
    assert record["record"] == metrics.LAST_WORK
    succeeded = 'max(kube_cronjob_status_last_successful_time{namespace="models",cronjob="materialise"})'
    assert record["expr"].startswith(succeeded)
    assert alert["labels"] == {"severity": "ticket", "owner": "platform", "part": "materialise"}
    assert alert["expr"] == f'time() - {metrics.LAST_WORK}{{part="materialise"}} > 10784'
    assert alert["for"] == "15s"


def test_of_each_models_job_that_retrains_it_its_own_silence_is_told() -> None:
    """To the model's owner; a run may take its time and two looks may be missed, and no two models share a record."""
    files = [
        yaml.safe_load(retrainer_rules(MODEL.model_copy(update={"name": name}), ENVIRONMENT, "models", name, 7200))
        for name in ("a-retraining", "b-retraining")
    ]
    (record, alert), (other, _) = (file["groups"][0]["rules"] for file in files)
    succeeded = 'max(kube_cronjob_status_last_successful_time{namespace="models",cronjob="a-retraining"})'
    assert record["expr"].startswith(succeeded)
    assert record["labels"] != other["labels"]
    assert alert["labels"] == {"severity": "ticket", "owner": MODEL.owner.team, "part": "a-retraining"}
    assert alert["expr"] == f'time() - {metrics.LAST_WORK}{{part="a-retraining"}} > 8984'
    assert alert["for"] == "15s"


READING = MODEL.model_copy(
    update={
        "features": FeaturesSpec.model_validate(
            {
                "reads": (
                    {"name": "weather_v1:wind", "default": 1.0, "ttl_seconds": 7200.0},
                    {"name": "plane_v1:built", "default": 1.0, "ttl_seconds": 1e9},
                )
            }
        )
    }
)
OF_WIND = 'model="first-model",feature="weather_v1:wind"'


def _ages(below: float, rows: int = 60) -> dict[str, str]:
    """Returns so many served values a minute, all of them between the edge before `below` and this one."""
    grows = {"+Inf": True} | {f"{edge:g}": edge >= below for edge in metrics.FEATURE_AGE_EDGES_SECONDS}
    buckets = {
        f'{metrics.FEATURE_AGE_SECONDS}_bucket{{{OF_WIND},le="{edge}"}}': f"0+{rows}x120" if counts else "0x120"
        for edge, counts in grows.items()
    }
    return buckets | {f"{metrics.FEATURE_AGE_SECONDS}_count{{{OF_WIND}}}": f"0+{rows}x120"}


def _asked(requests: int, *, default: int, version: str = "live", outcome: str = "ok") -> dict[str, str]:
    """Returns so many requests a minute, of which some got a default."""
    who = f'job="models",version="{version}"'
    return {
        f'{metrics.REQUESTS_TOTAL}{{{who},model="first-model",outcome="{outcome}"}}': f"0+{requests}x120",
        **({f"{metrics.FEATURE_MISSING_TOTAL}{{{who},{OF_WIND}}}": f"0+{default}x120"} if default else {}),
    }


def test_a_default_in_one_of_many_rows_is_called_one() -> None:
    """A request counts once, however many of its rows got a default: the text says no more than was counted."""
    alert = _alerts(model_rules(READING, ENVIRONMENT, released=True))[AlertName.FEATURES_STALE]
    assert "got its default for a row at least in half of the requests" in alert["annotations"]["summary"]
    assert "got its default for a row at least" in ALERTS[AlertName.FEATURES_STALE].meaning


@pytest.mark.parametrize(
    ("series", "fires"),
    [
        pytest.param(_ages(3600), False, id="fresh"),
        pytest.param(_ages(7200), True, id="older than the objective"),
        pytest.param(_ages(3600) | _asked(121, default=61), True, id="mostly defaults"),
        pytest.param(_ages(3600) | _asked(119, default=59), False, id="some defaults"),
        # Callers of many rows a request: most of their rows are fresh, and most of their requests got a default.
        pytest.param(_ages(3600, rows=6000) | _asked(100, default=60), True, id="defaults among many rows"),
        pytest.param(_ages(3600, rows=6000) | _asked(100, default=40), False, id="some defaults among many rows"),
        # Half of the candidate's requests, though few of all; it may be the only version that reads the feature.
        pytest.param(
            _ages(3600) | _asked(1000, default=0) | _asked(10, default=8, version="candidate"), True, id="one version"
        ),
        pytest.param(
            _ages(3600) | _asked(70, default=40) | _asked(1000, default=0, outcome="rejected_input"),
            True,
            id="rejected requests read nothing",
        ),
    ],
)
def test_old_features_are_noticed(promtool: str, tmp_path: Path, series: dict[str, str], fires: bool) -> None:
    """Half of the values decide: one entity that nobody heard of for a day wakes nobody."""
    (tmp_path / "model.yml").write_text(model_rules(READING, ENVIRONMENT, released=True))
    alert = _alerts(model_rules(READING, ENVIRONMENT, released=True))[AlertName.FEATURES_STALE]
    # Only what can be told apart is watched.
    assert "plane_v1" not in alert["expr"]
    annotations = {
        name: text.replace("{{ $labels.feature }}", "weather_v1:wind") for name, text in alert["annotations"].items()
    }
    labels = alert["labels"] | {"feature": "weather_v1:wind"}
    expected = [{"exp_labels": labels, "exp_annotations": annotations}] if fires else []
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "1h", "alertname": str(AlertName.FEATURES_STALE), "exp_alerts": expected}],
    }
    document = {"rule_files": ["model.yml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    _promtool(promtool, "test", "rules", tmp_path / "tests.yml")


def test_a_model_never_released_does_not_alert_about_missing_targets() -> None:
    """There is nothing to scrape yet, and that is no fault."""
    assert "ShipwayModelNotScraped" in _alerts(model_rules(MODEL, ENVIRONMENT, released=True))
    assert "ShipwayModelNotScraped" not in _alerts(model_rules(MODEL, ENVIRONMENT, released=False))


def test_a_service_keeps_its_own_labels() -> None:
    """Without honor_labels a service's `model` would arrive as `exported_model` and no rule would find it."""
    config = yaml.safe_load(CONFIG)
    assert {job["job_name"]: job["honor_labels"] for job in config["scrape_configs"]} == dict.fromkeys(
        ("models", "rollout", "gateway", "delivery", "labels"), True
    )
    assert config["global"]["scrape_interval"] == "500ms"
    assert config["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["127.0.0.1:4"]}]}]


def test_a_rollout_is_scraped_four_times_a_second_on_its_own_light_page() -> None:
    """The page that holds what delivery reads and nothing else; the whole one would hold up the slot's requests."""
    (job,) = [job for job in yaml.safe_load(CONFIG)["scrape_configs"] if job["job_name"] == ROLLOUT_JOB]
    assert (job["scrape_interval"], job["scrape_timeout"]) == ("250ms", "250ms")
    assert job["metrics_path"] == metrics.EVIDENCE_PATH
    assert job["file_sd_configs"][0]["files"] == ["rollout/*.json"]


def test_no_rule_counts_a_slot_twice() -> None:
    """While a rollout is scraped by two jobs, rules look at the one that always scrapes."""
    rules = yaml.safe_load(model_rules(MODEL, ENVIRONMENT, released=True))
    text = "\n".join(rule["expr"] for group in rules["groups"] for rule in group["rules"])
    twice = "|".join(("up", *metrics.EVIDENCE_SERIES))
    selectors = re.findall(rf"(?<![\w:])(?:{twice})(\{{[^}}]*\}})?", text)
    assert len(selectors) > len(RECORDED)
    assert [selector for selector in selectors if 'job="models"' not in selector] == []


def test_targets_name_model_slot_and_environment() -> None:
    """One group a filled slot; with no slot filled the file is an empty list."""
    (group,) = json.loads(model_targets("first-model", "local", {Slot.GREEN: "127.0.0.1:3"}))
    assert group == {
        "targets": ["127.0.0.1:3"],
        "labels": {"env": "local", "model": "first-model", "slot": "green"},
    }
    assert json.loads(model_targets("first-model", "local", {})) == []


@pytest.mark.parametrize(("error_ratio", "expected"), [(0.01, 100), (0.3, 4), (1.0, 1), (0.0, 1)])
def test_one_error_alone_is_never_above_the_slo(error_ratio: float, expected: int) -> None:
    """The least traffic is so much that a single error stays within the ratio."""
    assert minimum_requests(error_ratio) == expected


def _check_alert(promtool: str, folder: Path, series: dict[str, str], expected: list[dict[str, Any]]) -> None:
    """Feeds four samples a minute to the rules and asks promtool which error alerts stand after fifteen minutes."""
    (folder / "model.yml").write_text(model_rules(MODEL, ENVIRONMENT, released=True))
    asked = {"eval_time": "15m", "alertname": "ShipwayErrorRatioAboveSlo", "exp_alerts": expected}
    case = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [asked],
    }
    document = {"rule_files": ["model.yml"], "evaluation_interval": "15s", "tests": [case]}
    (folder / "tests.yml").write_text(yaml.safe_dump(document))
    _promtool(promtool, "test", "rules", folder / "tests.yml")


def _series(outcome: str, slot: str = "green") -> str:
    return f'shipway_requests_total{{job="models",model="first-model",slot="{slot}",outcome="{outcome}",instance="a"}}'


@pytest.mark.parametrize(
    ("ok", "bad", "fires"),
    [
        pytest.param("0+20x60", {"error": "0+1x60"}, True, id="errors"),
        pytest.param("0+20x60", {"timeout": "0+1x60"}, True, id="timeouts"),
        pytest.param("0+20x60", {"rejected_input": "0+20x60"}, False, id="callers' own mistakes"),
        pytest.param("0+20x60", {"error": "0x30 1x30"}, False, id="one error in many"),
        pytest.param("0x60", {"error": "0x58 1 2"}, False, id="two of two requests"),
        pytest.param("0x60", {"error": "0x60"}, False, id="no traffic"),
    ],
)
def test_the_error_alert_fires_on_the_versions_own_faults_with_enough_traffic(
    promtool: str, tmp_path: Path, ok: str, bad: dict[str, str], fires: bool
) -> None:
    """One in twenty-one fires; a caller's mistakes, a single error and a ratio over next to nothing do not."""
    series = {_series("ok"): ok} | {_series(outcome): values for outcome, values in bad.items()}
    alert = {
        "exp_labels": {"severity": "page", "model": "first-model", "owner": 'the "A" team: 100%', "slot": "green"},
        "exp_annotations": {
            "summary": "slot green of first-model fails 4.762% of its requests, its SLO allows 0.01",
            "escalation": "e > f",
            "owner_runbook_url": "https://r",
            "runbook_url": "docs/alerts.md#shipwayerrorratioaboveslo",
        },
    }
    _check_alert(promtool, tmp_path, series, [alert] if fires else [])
