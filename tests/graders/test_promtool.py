"""promtool over every rule file of every environment."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from shipway.contract.alerts import AlertName
from shipway.contract.errors import ShipwayError
from shipway.observability.alert_tests import TESTS, AlertTests, alert_tests, run_alert_tests, untested
from tests.components.conftest import REPOSITORY
from tests.components.recorded import STACKS, RecordedStack

pytestmark = pytest.mark.graders


@pytest.fixture(scope="session")
def promtool() -> str:
    """The program, as `make setup` leaves it."""
    found = shutil.which("promtool", path=f"{REPOSITORY / '.shipway' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert found, "no promtool in .shipway/bin or on PATH; run `make setup`"
    return found


def rule_files(stack: RecordedStack) -> Iterator[tuple[str, str]]:
    """Yields name and text of each rule file, a cluster's objects and a laptop's files alike."""
    for one in stack.registrations:
        if one.type.endswith(":PrometheusRule"):
            # What the operator writes for Prometheus is the object's spec.
            yield one.name, yaml.safe_dump(one.inputs["spec"], sort_keys=False)
        elif one.type.endswith(":RenderedFile") and Path(one.inputs["path"]).parent.name == "rules":
            yield one.name, one.inputs["text"]


@pytest.mark.parametrize("stack", STACKS)
def test_every_rule_file_is_right(
    promtool: str, recorded: Callable[[str], RecordedStack], stack: str, tmp_path: Path
) -> None:
    """`promtool check rules` takes each, and each alert fires on its trouble and keeps quiet without it."""
    files = dict(rule_files(recorded(stack)))
    assert files
    tests: list[str] = []
    for name, text in files.items():
        (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        (tmp_path / name).mkdir()
        for file, content in alert_tests(text).items():
            (tmp_path / name / file).write_text(content, encoding="utf-8")
        tests += [f"{name}/{file}" for file in alert_tests(text) if file.endswith(TESTS)]
    for verb, paths in (("check", [f"{name}.yml" for name in files]), ("test", tests)):
        done = subprocess.run(
            [promtool, verb, "rules", *paths], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_of_a_rule_file_is_known_and_tested(recorded: Callable[[str], RecordedStack]) -> None:
    """No environment raises an alert without a firing and a quiet case."""
    assert [name for stack in STACKS for _, text in rule_files(recorded(stack)) for name in untested(text)] == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("== 0", "== 2"), "it never fires"),
        (("== 0", ">= 0"), "it always fires"),
    ],
)
def test_an_alert_that_is_wrong_does_not_pass(
    promtool: str, recorded: Callable[[str], RecordedStack], change: tuple[str, str], why: str
) -> None:
    """The tests are about the rule: one that never fires fails them, and so does one that always does."""
    text = dict(rule_files(recorded("local")))["digits-rules"]
    right = run_alert_tests(promtool, text)
    count = right.passed
    assert right.failed == 0
    assert count > 40
    assert text.count(change[0]) == 1
    assert run_alert_tests(promtool, text.replace(*change)) == AlertTests(passed=0, failed=count), why


def test_an_alert_without_tests_is_refused() -> None:
    """A new alert is named together with the place where its tests belong."""
    rules = json.dumps({"groups": [{"name": "g", "rules": [{"alert": "ShipwayNew", "expr": "vector(1)"}]}]})
    with pytest.raises(ShipwayError, match=r"no tests of ShipwayNew, expected a firing and a quiet case in shipway\."):
        alert_tests(rules)
    assert "ShipwayNew" not in set(AlertName)
