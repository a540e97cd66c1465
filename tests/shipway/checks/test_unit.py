"""The service's own tests: run by a real pytest elsewhere, and every way in which they are no pass."""

from pathlib import Path

import pytest

from shipway.checks.finding import Finding, Status
from shipway.checks.unit import check_unit, read_report


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """A service whose tests are still to be written."""
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "services" / "loans" / "tests").mkdir(parents=True)
    return tmp_path / "services" / "loans"


def found(service: Path, text: str, timeout_seconds: float = 60) -> list[Finding]:
    (service / "tests" / "test_loans.py").write_text(text)
    return list(check_unit(service.parents[1], service, timeout_seconds))


def test_tests_that_pass_and_fail_are_told(service: Path) -> None:
    """In sum, then each one that failed with its message; what is in the sum is what ran."""
    text = "import pytest\ndef test_a(): pass\ndef test_b(): assert 1 == 2\n@pytest.mark.skip\ndef test_c(): pass\n"
    whole, failed = found(service, text)
    assert (whole.status, whole.value) == (Status.FAILED, 1)
    assert whole.sentence == "1 passed, 1 failed, 1 skipped"
    assert (failed.subject, failed.status) == ("test_b", Status.FAILED)
    assert "assert 1 == 2" in failed.sentence
    (held,) = found(service, "def test_a(): pass\n")
    assert (held.status, held.sentence) == (Status.PASSED, "1 passed, 0 failed, 0 skipped")
    assert not (service.parents[1] / ".pytest_cache").exists()


def test_what_pytest_cannot_run_fails(service: Path) -> None:
    """A file that does not import, and a setting that does not exist."""
    whole, unread = found(service, "import nothing_of_the_kind\n")
    assert (whole.status, whole.sentence) == (Status.FAILED, "0 passed, 1 failed, 0 skipped")
    assert unread.subject.endswith("test_loans")
    (service.parents[1] / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--no-such-option'\n")
    (broken,) = found(service, "def test_a(): pass\n")
    assert broken.status is Status.FAILED
    assert "pytest cannot run" in broken.sentence


def test_tests_that_hang_fail(service: Path) -> None:
    """After the time that model.yaml gives them."""
    (late,) = found(service, "import time\ndef test_a(): time.sleep(60)\n", timeout_seconds=0.5)
    assert late.status is Status.FAILED
    assert late.sentence == "longer than 0.5 s (checks.unit_timeout_seconds)"


def test_no_tests_are_missing(service: Path) -> None:
    """No file, or none in it."""
    (none,) = check_unit(service.parents[1], service, 60)
    assert none.status is Status.MISSING
    assert "services/loans/tests holds no test_*.py" in none.sentence
    (empty,) = found(service, "x = 1\n")
    assert empty.status is Status.MISSING


def test_tests_that_were_all_skipped_prove_nothing() -> None:
    """A green run without a test that ran is missing evidence."""
    report = b'<testsuites><testsuite><testcase name="a"><skipped/></testcase></testsuite></testsuites>'
    (finding,) = read_report(report, 0)
    assert finding.status is Status.MISSING


def test_many_failures_are_a_number() -> None:
    """The first five are named."""
    cases = "".join(f'<testcase name="t{n}"><failure message="no"/></testcase>' for n in range(9))
    told = list(read_report(f"<testsuite>{cases}</testsuite>".encode(), 1))
    assert told[0].value == 9
    assert [one.subject for one in told[1:]] == ["t0", "t1", "t2", "t3", "t4"]
