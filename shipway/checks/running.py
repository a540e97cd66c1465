"""Running the checks of one version: the child that asks the bundle, and what is looked at beside it."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipway.checks.finding import Finding, Status
from shipway.checks.loaded import check_cost, check_latency
from shipway.checks.question import Question, Said
from shipway.checks.registry import CHECKS, OF_BUNDLE
from shipway.checks.sampled import check_parity
from shipway.checks.unit import check_unit
from shipway.contract.check import CheckName
from shipway.contract.documents import parse, parse_json, write_atomic
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.layout import LocalLayout
from shipway.contract.loadtest import LoadTestResult, Profile, read_result, result_name
from shipway.contract.model import ModelSpec
from shipway.contract.prices import ReplicaPrice, replica_price

__all__ = ["Job", "price_of", "results_of", "run"]

# Loading and asking takes seconds; a model that hangs must not hold up everybody for ever.
_TIMEOUT_SECONDS = 900.0


@dataclass(frozen=True)
class Job:
    """What is to be checked.

    Args:
        layout: the environment that keeps the bundle and the load tests.
        environment: whose prices hold.
        service: the service's folder.
        spec: its model.yaml.
        digest: the version.
        only: which checks.
        progress: called with one line for each check.
        without: those of them that are named in the table and not looked at.
    """

    layout: LocalLayout
    environment: EnvironmentSpec
    service: Path
    spec: ModelSpec
    digest: str
    only: tuple[CheckName, ...]
    progress: Callable[[str], None]
    without: tuple[CheckName, ...] = ()


def run(job: Job) -> list[Finding]:
    """Returns the findings of all checks asked for, in the order of the registry.

    Raises:
        ShipwayError: when a document of the project or a result is wrong.
    """
    order = [check.name for check in CHECKS if check.name in job.only]
    left_out = "--without was given: it is neither passed nor failed"
    found = {name: [_finding(name, Status.LEFT_OUT, left_out)] for name in order if name in job.without}
    if asked := tuple(name for name in order if name in OF_BUNDLE and name not in found):
        found |= _of_bundle(job, asked)
    for name in order:
        if name not in found:
            job.progress(f"{name} ...")
            found[name] = list(_beside(job, name))
    return [finding for name in order for finding in found[name]]


def _beside(job: Job, name: CheckName) -> Iterator[Finding]:
    match name:
        case CheckName.UNIT:
            return check_unit(job.layout.root, job.service, job.spec.checks.unit_timeout_seconds)
        case CheckName.PARITY:
            return check_parity(job.layout, job.service, job.spec)
        case CheckName.LATENCY:
            return check_latency(job.spec, job.digest, results_of(job.layout, job.spec.name, job.digest))
        case CheckName.COST:
            results = results_of(job.layout, job.spec.name, job.digest)
            return check_cost(job.spec, job.digest, results, price_of(job.environment, job.spec))
        case _:
            raise ValueError(f"{name} asks the bundle")


def results_of(layout: LocalLayout, model: str, digest: str) -> list[LoadTestResult]:
    """Returns the load tests of a version that the environment keeps.

    Raises:
        SpecError: for a file that is no result.
    """
    paths = [layout.loadtests / result_name(model, digest, profile) for profile in Profile]
    return [read_result(path.read_bytes(), str(path)) for path in paths if path.is_file()]


def price_of(environment: EnvironmentSpec, spec: ModelSpec) -> ReplicaPrice:
    """Returns what a replica of the model costs an hour in `environment`; on AWS on its pools' dearest machine."""
    pools = environment.aws.cpu_pools if environment.aws is not None else ()
    # Of several types of a pool AWS takes what it has.
    machines = [machine for pool in pools for machine in pool.instance_types]
    return replica_price(spec.resources, environment.prices, machines)


def _of_bundle(job: Job, asked: tuple[CheckName, ...]) -> dict[CheckName, list[Finding]]:
    """Returns what the child found; where it ended too soon, the check that it was at has failed."""
    job.progress(f"serving {job.digest} and loading its data ...")
    found: dict[CheckName, list[Finding]] = {}
    current: CheckName | None = None
    with tempfile.TemporaryDirectory(prefix="shipway-check-") as scratch:
        question = Question(
            bundle=str(job.layout.bundle(job.digest)),
            service=str(job.service),
            cache=str(job.layout.root / ".shipway" / "cache" / "training" / job.service.name),
            scratch=scratch,
            checks=asked,
        )
        child = _Child(question, Path(scratch))
        for said in child.lines():
            if said.findings is None:
                job.progress(f"{said.begins} ...")
                current = said.begins
            elif said.begins is not None:
                found[said.begins] = list(said.findings)
        if problem := child.problem():
            at = current if current is not None and current not in found else _next(asked, found)
            if at is not None:
                said = f"{problem} while it was served" if current is None else f"{problem} while it was asked"
                found[at] = [_finding(at, Status.FAILED, said)]
    for name in asked:
        found.setdefault(name, [_finding(name, Status.MISSING, "not run: the process that serves the bundle ended")])
    return found


def _next(asked: Sequence[CheckName], found: dict[CheckName, list[Finding]]) -> CheckName | None:
    return next((name for name in asked if name not in found), None)


def _finding(name: CheckName, status: Status, said: str) -> Finding:
    return Finding(check=name, subject="bundle", status=status, sentence=said)


class _Child:
    """The process that serves and asks the bundle.

    Args:
        question: what it is asked.
        scratch: where its files are.
    """

    def __init__(self, question: Question, scratch: Path) -> None:
        self._said = scratch / "stderr.txt"
        asked = scratch / "question.json"
        write_atomic(asked, question.model_dump_json())
        command = [sys.executable, "-m", "shipway.checks", "--question", str(asked)]
        with self._said.open("wb") as errors:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self._late = False
        self._timer = threading.Timer(_TIMEOUT_SECONDS, self._kill)

    def _kill(self) -> None:
        self._late = True
        self._process.kill()

    def lines(self) -> Iterator[Said]:
        """Yields what it says until it ends."""
        self._timer.start()
        try:
            assert self._process.stdout is not None
            with self._process.stdout as stream:
                for line in stream:
                    yield parse(Said, parse_json(line, "shipway.checks"), "shipway.checks")
            self._process.wait()
        finally:
            self._timer.cancel()
            self._process.kill()
            self._process.wait()

    def problem(self) -> str:
        """Returns why it ended before it was done, empty when it was."""
        if self._late:
            return f"it took longer than {_TIMEOUT_SECONDS:.0f} s"
        code = self._process.returncode
        if code == 0:
            return ""
        text = self._said.read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(" ")]
        refused = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        if refused:
            return refused[-1]
        return f"its process ended with exit code {code} ({(lines or ['it said nothing'])[-1][:200]})"
