"""Unit check: the service's own tests, run by pytest in a process of its own, and what its report says."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from shipway.checks.finding import Finding, Status
from shipway.contract.check import CheckName

__all__ = ["check_unit", "read_report"]

# More failed tests than this are a number.
_MOST_NAMED = 5
# Of pytest's exit codes; any other means that it did not run them. A file that cannot be imported interrupts it.
_TESTS_FAILED, _INTERRUPTED, _NO_TESTS = 1, 2, 5


def check_unit(root: Path, service: Path, timeout_seconds: float) -> Iterator[Finding]:
    """Yields what the tests of the service in `service` say; those of this checkout's code, not of a bundle.

    Args:
        root: the project, whose settings of pytest hold.
        service: the service's folder.
        timeout_seconds: how long they may take.
    """
    tests = service / "tests"
    named = tests.relative_to(root) if tests.is_relative_to(root) else tests
    if not any(tests.rglob("test_*.py")):
        yield _finding(Status.MISSING, f"{named} holds no test_*.py; `shipway new` renders the ones every service has")
        return
    with tempfile.TemporaryDirectory(prefix="shipway-unit-") as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(tests), "-q", f"--junitxml={report}"]
        # Nothing is left beside the sources.
        command += ["-o", f"cache_dir={scratch}/cache"]
        try:
            done = subprocess.run(
                command,
                cwd=root,
                env=_environment(os.environ),
                capture_output=True,
                text=True,
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            yield _finding(Status.FAILED, f"longer than {timeout_seconds:g} s (checks.unit_timeout_seconds)")
            return
        if done.returncode == _NO_TESTS:
            yield _finding(Status.MISSING, f"pytest finds no test in {named}")
            return
        if done.returncode not in (0, _TESTS_FAILED, _INTERRUPTED) or not report.is_file():
            last = (done.stderr.strip() or done.stdout).splitlines()[-1:] or [f"exit code {done.returncode}"]
            yield _finding(Status.FAILED, f"pytest cannot run: {last[0]}")
            return
        yield from read_report(report.read_bytes(), done.returncode)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    # A test of the platform that runs this is no part of what the service's tests should see.
    return {key: value for key, value in environ.items() if not key.startswith(("PYTEST_", "SHIPWAY_SLOT_"))}


def read_report(content: bytes, exit_code: int) -> Iterator[Finding]:
    """Yields what a report in JUnit's format says: all of it, then each test that failed.

    Args:
        content: the report.
        exit_code: pytest's; what it could not even collect is a failure too.
    """
    cases = list(ElementTree.fromstring(content).iter("testcase"))  # noqa: S314 - written by our own child
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    passed = len(cases) - len(failed) - skipped
    held = not failed and exit_code == 0 and passed > 0
    said = f"{passed} passed, {len(failed)} failed, {skipped} skipped"
    if not passed and not failed:
        status = Status.MISSING if exit_code == 0 else Status.FAILED
        yield _finding(status, f"{said}: a test that did not run proves nothing")
        return
    yield Finding(
        check=CheckName.UNIT,
        subject="tests",
        status=Status.PASSED if held else Status.FAILED,
        sentence=said,
        value=float(len(failed)),
        bound=0.0,
        unit="tests",
    )
    for case in failed[:_MOST_NAMED]:
        why = case.find("failure")
        why = why if why is not None else case.find("error")
        message = ("" if why is None else why.get("message") or "").strip().splitlines()[:1] or ["no message"]
        yield Finding(
            check=CheckName.UNIT, subject=str(case.get("name")), status=Status.FAILED, sentence=message[0][:160]
        )


def _finding(status: Status, said: str) -> Finding:
    return Finding(check=CheckName.UNIT, subject="tests", status=status, sentence=said)
