"""Unit tests of alert rules, made for whatever a file holds: each alert fires on its trouble and on nothing else."""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from shipway.contract.documents import load_yaml
from shipway.contract.errors import ShipwayError
from shipway.observability.alert_cases import CASES, STEP_SECONDS, Rule, Story

__all__ = ["TESTS", "AlertTests", "alert_tests", "run_alert_tests", "untested"]

_PROMTOOL_SECONDS = 60
CASES_MODULE = Story.__module__
# How the name of a file of tests ends.
TESTS = ".tests.yml"


@dataclass(frozen=True)
class AlertTests:
    """What `promtool test rules` said; a file that does not pass counts as failed with all its tests."""

    passed: int
    failed: int


def untested(rules: str) -> list[str]:
    """Returns the alerts of a rule file for which there are no tests."""
    return [alert["alert"] for rule in _alerts(rules) if (alert := rule.document)["alert"] not in CASES]


def alert_tests(rules: str) -> dict[str, str]:
    """Returns what `promtool test rules` takes, by file name: each alert's tests, and beside them what it is tested on.

    An alert is tested on itself and on the records it reads, for the other rules of a file only cost time.

    Args:
        rules: the text of a rule file.

    Raises:
        ShipwayError: when an alert has no case.
    """
    if missing := untested(rules):
        raise ShipwayError(f"no tests of {', '.join(missing)}, expected a firing and a quiet case in {CASES_MODULE}")
    records = _rules(rules, "record")
    files: dict[str, str] = {}
    for number, rule in enumerate(_alerts(rules)):
        group = {"name": "alert", "rules": [*_read_by(rule.document, records), rule.document]}
        tests = [_test(rule, story) for story in CASES[rule.alert](rule)]
        files[f"{number}.rules.yml"] = yaml.safe_dump({"groups": [group]}, sort_keys=False)
        files[f"{number}{TESTS}"] = yaml.safe_dump(
            {"rule_files": [f"{number}.rules.yml"], "evaluation_interval": f"{STEP_SECONDS}s", "tests": tests}
        )
    return files


def _read_by(rule: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the records that an alert reads, and those that they read, in the file's order."""
    needed, waiting = list[Mapping[str, Any]](), [rule]
    while waiting:
        read = str(waiting.pop()["expr"])
        found = [one for one in records if one not in needed and _reads(read, one)]
        needed, waiting = [*needed, *found], [*waiting, *found]
    return [one for one in records if one in needed]


def _reads(expr: str, record: Mapping[str, Any]) -> bool:
    """Returns whether an expression may read a record: it says its name, and the value of each label it puts there."""
    labels = cast(Mapping[str, str], record.get("labels", {}))
    named = re.search(rf"(?<![\w:]){re.escape(str(record['record']))}(?![\w:])", expr)
    return named is not None and all(f'"{value}"' in expr for value in labels.values())


def run_alert_tests(promtool: Path | str, rules: str) -> AlertTests:
    """Returns how many tests of a rule file passed.

    Raises:
        ShipwayError: when an alert has no case.
        OSError: when there is no such promtool.
        subprocess.TimeoutExpired: when it does not come back.
    """
    files = alert_tests(rules)
    tests = [name for name in files if name.endswith(TESTS)]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        done = subprocess.run(
            [promtool, "test", "rules", *tests],
            cwd=folder,
            capture_output=True,
            timeout=_PROMTOOL_SECONDS,
            check=False,
        )
    count = sum(len(yaml.safe_load(files[name])["tests"]) for name in tests)
    return AlertTests(passed=count, failed=0) if done.returncode == 0 else AlertTests(passed=0, failed=count)


def _alerts(rules: str) -> list[Rule]:
    """Returns each alert of a rule file, with the group it is in."""
    return [Rule(one, _rules(rules, "record")) for one in _rules(rules, "alert")]


def _rules(rules: str, kind: str) -> list[dict[str, Any]]:
    groups = cast(list[dict[str, Any]], load_yaml(rules)["groups"])
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def _test(rule: Rule, story: Story) -> dict[str, Any]:
    # Counted, not compared: who is told, and in which words, is other tests' claim.
    state = {} if story.at_rest else {"alertstate": "firing"}
    labels = {"alertname": rule.alert, **state, **rule.labels}
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
