"""The hooks of docs/retraining.md: they compile, and the commands in them are commands of ours."""

import ast
import json
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from shipway.cli.app import app
from shipway.contract.documents import parse
from shipway.contract.retraining import RetrainingSpec

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "retraining.md").read_text()
AIRFLOW, PREFECT = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def options(words: list[str]) -> dict[str, Any]:
    """Returns how our own command understands `shipway` and its words; raises for what it does not know."""
    assert words[0] == "shipway"
    group: Any = typer.main.get_command(app)
    command = group.get_command(None, words[1])
    return dict(command.make_context(words[1], words[2:], resilient_parsing=False).params)


def test_airflow_starts_our_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run against stand-ins of Airflow's classes, the DAG holds one command whose words we know."""
    made: list[dict[str, Any]] = []

    class Dag:
        def __init__(self, name: str, **settings: Any) -> None:
            assert set(settings) == {"schedule", "start_date", "catchup"}

        def __enter__(self) -> "Dag":
            return self

        def __exit__(self, *_: object) -> None: ...

    def operator(**settings: Any) -> None:
        made.append(settings)

    for name, content in (
        ("airflow", {"DAG": Dag}),
        ("airflow.providers.standard.operators.bash", {"BashOperator": operator}),
    ):
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("airflow.providers", "airflow.providers.standard", "airflow.providers.standard.operators"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    exec(compile(AIRFLOW, "airflow", "exec"), {})
    [one] = made
    shown = one["bash_command"].replace("{{ data_interval_end.isoformat() }}", "2026-01-08T00:00:00+00:00")
    words = shlex.split(shown.replace("{{ run_id }}", "scheduled__1").rpartition("&& ")[2])
    understood = options(words)
    assert (understood["model"], understood["as_of"]) == ("flight-delay", "2026-01-08T00:00:00+00:00")
    assert (understood["reason"], understood["as_json"]) == ("airflow scheduled__1", True)


@pytest.mark.parametrize(("code", "error"), [(0, ""), (1, "error: flight-delay stays as it is: auc is low")])
def test_prefect_starts_our_command(monkeypatch: pytest.MonkeyPatch, code: int, error: str) -> None:
    """A refusal becomes the task's error in the words of the command."""
    module = types.ModuleType("prefect")

    def plain(*given: Any, **_: Any) -> Any:
        return given[0] if given else lambda function: function

    vars(module).update(flow=plain, task=plain)
    monkeypatch.setitem(sys.modules, "prefect", module)
    started: list[list[str]] = []

    def run(words: list[str], **settings: Any) -> "subprocess.CompletedProcess[str]":
        started.append(words)
        return subprocess.CompletedProcess(words, code, json.dumps({"status": "proposed"}), f"fit: 1 s\n{error}\n")

    monkeypatch.setattr(subprocess, "run", run)
    names: dict[str, Any] = {}
    exec(compile(PREFECT, "prefect", "exec"), names)
    if code:
        with pytest.raises(RuntimeError, match="flight-delay stays as it is: auc is low"):
            names["retrain_flight_delay"]()
    else:
        assert names["retrain_flight_delay"]() == "proposed"
    assert options(started[0])["reason"] == "prefect"


def test_the_hooks_are_whole_files() -> None:
    """Nothing in them is left out."""
    for text in (AIRFLOW, PREFECT):
        assert not any(isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(ast.parse(text)))


def test_every_key_is_on_the_page() -> None:
    """The example in model.yaml names every key there is, with its default where it has one of use."""
    [block] = re.findall(r"```yaml\nretraining:\n(.*?)```", PAGE, flags=re.DOTALL)
    document = yaml.safe_load(f"retraining:\n{block}")["retraining"]
    assert document.keys() == RetrainingSpec.model_fields.keys()
    shown = parse(RetrainingSpec, document, "docs/retraining.md")
    default = RetrainingSpec()
    told = {"every_seconds", "floors"}
    assert shown.model_dump(exclude=told) == default.model_dump(exclude=told)
