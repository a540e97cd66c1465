"""The facts of a model's path, read from the files of the project and of one environment's state."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse_json, read_json
from shipway.contract.layout import LocalLayout
from shipway.contract.ledger import Entry, entry_numbers, read_entry
from shipway.contract.metrics import Slot
from shipway.contract.model import GateSpec, ModelSpec, load_model
from shipway.contract.release import load_release, short_digest
from shipway.maturity.facts import Facts, Workflow

__all__ = ["gather"]

# Actions of the ledger after which a version takes traffic, and the actor that decides by evidence.
_LIVE = frozenset({"first_live", "override", "promoted"})
_PROMOTED, _DELIVERY = "promoted", "delivery"

# What a pipeline calls to test, and to bring a version into an environment.
_TESTS = re.compile(r"\bmake (?:ci|test)\b|\bpytest\b|/services\.ya?ml\b")
_DEPLOYS = re.compile(r"\bpulumi up\b|\bmake up\b|\bshipway (?:release|carry)\b|/(?:release|carry)\.ya?ml\b")

_GIT_SECONDS = 10


def gather(root: Path, service: Path, layout: LocalLayout) -> Facts:
    """Returns what the files say of the model in `service`.

    Args:
        root: the project.
        service: the model's folder.
        layout: of the environment whose state is read; all others are known by what git has of them.

    Raises:
        SpecError: for a document that is damaged, naming it.
    """
    spec = load_model(service / "model.yaml")
    entries = [entry for entry in _entries(layout.ledger) if entry.model == spec.name]
    promoted = [one for one in entries if one.action == _PROMOTED and one.actor == _DELIVERY and one.evidence]
    return Facts(
        model=spec.name,
        environment=layout.environment,
        bars=tuple(shown for gate in spec.evaluation.gates if (shown := _bar(gate))),
        bundles=tuple(_bundles(layout.artifacts, spec.name)),
        live_since=next((entry.time for entry in entries if entry.action in _LIVE), ""),
        promoted=f"{short_digest(promoted[-1].digests['live'])} at {promoted[-1].time}" if promoted else "",
        reads_features=bool(spec.features.reads),
        compared=_compared(root, service, layout, spec),
        drift_enabled=spec.drift.enabled,
        drift_judged=_newest(layout.drift / spec.name / "verdicts.jsonl", "p_value"),
        quality_judged=_newest(layout.labels / spec.name / "quality.jsonl", "score"),
        triggers=tuple(_triggers(spec)),
        retrainings=tuple(_retrainings(layout.retraining / spec.name / "runs")),
        committed=_committed(root, service),
        tests=tuple(sorted(path.name for path in (service / "tests").glob("test_*.py"))),
        regression_sets=tuple(sorted(path.stem for path in (service / "tests" / "regression").glob("*.parquet"))),
        workflows=tuple(_workflows(root)),
        releases=dict(_releases(service)),
    )


def _entries(ledger: Path) -> Iterator[Entry]:
    for number in entry_numbers(ledger):
        yield read_entry(ledger, number)


def _bar(gate: GateSpec) -> str:
    bars = [
        ("at least", gate.minimum),
        ("at most", gate.maximum),
        ("better than the base rate by", gate.beats_base_rate_by),
    ]
    words = [f"{words} {bar:g}" for words, bar in bars if bar is not None]
    return f"{gate.metric} {', '.join(words)}" if words else ""


def _bundles(artifacts: Path, model: str) -> Iterator[str]:
    store = ArtifactStore(artifacts)
    for digest in store.digests():
        if read_json(store.path(digest) / "manifest.json").get("model") == model:
            yield digest


def _compared(root: Path, service: Path, layout: LocalLayout, spec: ModelSpec) -> str:
    places = [service / "tests" / "parity" / "sample.parquet", layout.parity / spec.name / "worst.jsonl"]
    return next((path.relative_to(root).as_posix() for path in places if path.is_file()), "")


def _newest(path: Path, judged: str) -> str:
    """Returns the end of the newest window in a file of verdicts in which the key `judged` has a value."""
    found = ""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        # A line without its end is still being written.
        for line in (one for one in lines if one.endswith("\n")):
            verdict: dict[str, Any] = parse_json(line, path)
            if verdict.get(judged) is not None:
                found = max(found, str(verdict["window"]["end"]))
    return found


def _triggers(spec: ModelSpec) -> Iterator[str]:
    if spec.retraining.every_seconds is not None:
        yield f"every {spec.retraining.every_seconds:g} s"
    if spec.retraining.on_drift and spec.drift.enabled:
        yield "on drift"
    if spec.retraining.on_accuracy:
        yield "on a drop of accuracy"


def _retrainings(runs: Path) -> Iterator[str]:
    for path in sorted(runs.glob("*.json")):
        outcome = read_json(path)
        # It ended before anything was compared.
        if outcome["status"] == "failed":
            continue
        yield f"{outcome['status']} at {outcome['finished']}"


def _committed(root: Path, service: Path) -> bool | None:
    """Returns whether git has the service's model.yaml, None where there is no repository."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "ls-files", "--error-unmatch", str(service / "model.yaml")]
    return subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False).returncode == 0


def _workflows(root: Path) -> Iterator[Workflow]:
    folder = root / ".github" / "workflows"
    for path in [*sorted(folder.glob("*.y*ml")), *root.glob(".gitlab-ci.yml")]:
        text = path.read_text(encoding="utf-8")
        tests, deploys = bool(_TESTS.search(text)), bool(_DEPLOYS.search(text))
        yield Workflow(path.relative_to(root).as_posix(), tests, deploys)


def _releases(service: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for path in sorted((service / "releases").glob("*.yaml")):
        # A laptop's own are not in git.
        if not path.stem.startswith("local"):
            release = load_release(path)
            yield path.stem, tuple(digest for slot in Slot if (digest := release.digest(slot)))
