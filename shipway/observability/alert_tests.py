"""Unit tests of alert rules, made for whatever a file holds: each alert fires on its trouble and on nothing else."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from shipway.contract.errors import ShipwayError
from shipway.observability.alert_cases import CASES, STEP_SECONDS, Rule, Story

__all__ = ["AlertTests", "alert_tests", "run_alert_tests", "untested"]

_PROMTOOL_SECONDS = 60
CASES_MODULE = Story.__module__


@dataclass(frozen=True)
class AlertTests:
    """What `promtool test rules` said; a file that does not pass counts as failed with all its tests."""

    passed: int
    failed: int


def untested(rules: str) -> list[str]:
    """Returns the alerts of a rule file for which there are no tests."""
    return [alert["alert"] for rule in _alerts(rules) if (alert := rule.document)["alert"] not in CASES]


def alert_tests(rules: str, rule_file: str) -> dict[str, Any]:
    """Returns what `promtool test rules` takes: a firing and a quiet case for each alert of a rule file.

    Args:
        rules: the file's text.
        rule_file: its name beside the tests.

    Raises:
        ShipwayError: when an alert has no case.
    """
    if missing := untested(rules):
        raise ShipwayError(f"no tests of {', '.join(missing)}, expected a firing and a quiet case in {CASES_MODULE}")
    tests = [_test(rule, story) for rule in _alerts(rules) for story in CASES[rule.alert](rule)]
    return {"rule_files": [rule_file], "evaluation_interval": f"{STEP_SECONDS}s", "tests": tests}


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


def _alerts(rules: str) -> list[Rule]:
    """Returns each alert of a rule file, with the group it is in."""
    groups = cast(list[dict[str, Any]], yaml.safe_load(rules)["groups"])
    return [
        Rule(document, cast(Sequence[dict[str, Any]], group["rules"]))
        for group in groups
        for document in group["rules"]
        if "alert" in document
    ]


def _test(rule: Rule, story: Story) -> dict[str, Any]:
    # Counted, not compared: who is told, and in which words, is other tests' claim.
    labels = {"alertname": rule.alert, "alertstate": "firing", **rule.labels}
    matching = ",".join(f"{name}={_quoted(value)}" for name, value in labels.items())
    expected = [{"labels": "{}", "value": int(story.fires)}]
    return {
        "interval": f"{STEP_SECONDS}s",
        "input_series": [{"series": name, "values": values} for name, values in story.series.items()],
        "promql_expr_test": [
            {
                "expr": f"count(ALERTS{{{matching}}}) or vector(0)",
                "eval_time": f"{story.seconds}s",
                "exp_samples": expected,
            }
        ],
    }


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
