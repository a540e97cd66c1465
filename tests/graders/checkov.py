"""checkov over everything that environments register: one run for all of them, for its start takes most of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.components.recorded import Registration
from tests.graders.kubernetes import manifests
from tests.graders.terraform import plan
from tools import pinned, programs

__all__ = ["Finding", "Report", "grade", "known_types", "program"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finding:
    """One check that one resource does not pass.

    Args:
        check: its id, such as CKV_K8S_11.
        resource: environment and resource, such as prod/Deployment.shipway-prod.mlflow.
        title: what the check wants.
    """

    check: str
    resource: str
    title: str

    def __str__(self) -> str:
        return f"{self.check} {self.resource}: {self.title}"


@dataclass(frozen=True)
class Report:
    """What checkov said.

    Args:
        findings: what failed.
        passed: (check, environment and resource) of all that passed.
    """

    findings: Sequence[Finding]
    passed: frozenset[tuple[str, str]]

    @property
    def checks(self) -> frozenset[str]:
        """The ids of all checks that looked at anything."""
        return frozenset({one.check for one in self.findings} | {check for check, _ in self.passed})

    def judged(self, environment: str) -> frozenset[str]:
        """Returns the resources of an environment that any check looked at."""
        start = f"{environment}/"
        everything = {one.resource for one in self.findings} | {resource for _, resource in self.passed}
        return frozenset(name.removeprefix(start) for name in everything if name.startswith(start))


def program() -> Path:
    """Returns checkov, from the tool cache or obtained into it."""
    return pinned.checkov(ROOT, programs.cache_folder(os.environ))


def known_types() -> frozenset[str]:
    """Returns the types of Terraform's AWS provider that checkov knows."""
    code = "import json; from checkov.common.checks_infra.resources_types import resources_types as known; "
    environment = {**os.environ, "PYTHONPATH": str(program().parent / "packages")}
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"{code}print(json.dumps(known['aws']))"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return frozenset(json.loads(done.stdout))


def grade(environments: Mapping[str, Iterable[Registration]], folder: Path) -> Report:
    """Returns what checkov says of each environment's resources; `folder` is empty and gets what checkov reads."""
    known = known_types()
    for name, registrations in environments.items():
        place, found = folder / name, list(registrations)
        place.mkdir()
        for number, document in enumerate(manifests(found)):
            (place / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")
        planned = plan(found, known)
        if planned["resource_changes"]:
            (place / "plan.json").write_text(json.dumps(planned, indent=1), encoding="utf-8")
    return _report(_run(folder))


def _run(folder: Path) -> list[Any]:
    options = ["--framework", "kubernetes", "terraform_plan", "--skip-download", "--compact", "--output", "json"]
    done = subprocess.run(
        [program(), "--directory", folder, *options],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        # A proxy or a token of the person's must not make it ask a platform.
        env={key: value for key, value in os.environ.items() if not key.startswith(("BC_", "PRISMA_", "CKV_"))},
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]
    said = json.loads(done.stdout)
    return said if isinstance(said, list) else [said]


def _report(said: list[Any]) -> Report:
    findings: list[Finding] = []
    passed: set[tuple[str, str]] = set()
    for part in said:
        # What it has nothing to say of is a bare summary.
        if "results" not in part:
            continue
        assert part["results"]["parsing_errors"] == [], part["results"]["parsing_errors"]
        for one in part["results"]["failed_checks"]:
            findings.append(Finding(one["check_id"], _named(one), one["check_name"]))
        passed |= {(one["check_id"], _named(one)) for one in part["results"]["passed_checks"]}
    return Report(sorted(findings, key=str), frozenset(passed))


def _named(one: Mapping[str, Any]) -> str:
    environment = str(one["file_path"]).lstrip("/").partition("/")[0]
    return f"{environment}/{one['resource']}"
