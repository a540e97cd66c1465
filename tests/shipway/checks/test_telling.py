"""The table, the comment, and what stops a release."""

from pathlib import Path

import pytest

from shipway.checks.finding import Finding, Status, failing
from shipway.checks.registry import CHECKS, OF_BUNDLE, needed
from shipway.checks.running import Job, run
from shipway.checks.telling import cells, markdown, summary
from shipway.contract.check import CheckName
from shipway.contract.environment import load_environment
from shipway.contract.layout import LocalLayout
from tests.shipway.checks.loans import spec_of

ROOT = Path(__file__).resolve().parents[3]

DIGEST = "sha256:" + "a" * 64


def finding(check: CheckName, status: Status, sentence: str = "said") -> Finding:
    return Finding(check=check, subject="x", status=status, sentence=sentence, value=0.12345, bound=0.1, unit="s")


@pytest.mark.parametrize(
    ("status", "needed", "stops"),
    [
        (Status.PASSED, True, False),
        (Status.FAILED, False, True),
        (Status.MISSING, False, False),
        (Status.MISSING, True, True),
        (Status.UNDECIDED, False, False),
        (Status.UNDECIDED, True, True),
        (Status.SKIPPED, True, False),
        (Status.LEFT_OUT, True, False),
    ],
)
def test_what_stops(status: Status, needed: bool, stops: bool) -> None:
    """What failed, and what is not known though it is needed."""
    one = finding(CheckName.COST, status)
    assert failing([one], {CheckName.COST} if needed else frozenset()) == ([one] if stops else [])


def test_the_comment_leads_with_what_stops() -> None:
    """A heading to find it again by, the sum, the table; nothing that was said can leave its cell or call anybody."""
    told = [
        finding(CheckName.SCHEMA, Status.PASSED),
        finding(CheckName.UNIT, Status.FAILED, "a | b <img> @team\nnext"),
        finding(CheckName.COST, Status.MISSING),
    ]
    lines = markdown("loans", DIGEST, told, {CheckName.COST}).splitlines()
    assert lines[0] == "### shipway check loans"
    assert lines[2] == "`aaaaaaaaaaaa`: 1 passed, 1 failed, 1 missing: stopped by cost, unit"
    assert lines[6] == "| unit | x | **failed** | 0.1235 s | 0.1 | a \\| b &lt;img> &#64;team next |"
    assert lines[7].startswith("| cost | x | **missing, needed** |")
    assert lines[8].startswith("| schema | x | passed |")


def test_the_sum_of_what_holds() -> None:
    """It may go on, and what is not known is counted apart."""
    told = [finding(CheckName.SCHEMA, Status.PASSED), finding(CheckName.COST, Status.MISSING)]
    assert summary(told, frozenset()) == "1 passed, 1 missing: it may go on"
    assert cells(told[0])[2:5] == ("passed", "0.1235 s", "0.1")


def test_what_was_left_out_is_told_and_not_passed(tmp_path: Path) -> None:
    """Nobody looks at it, the table has its line, and the sum says what is still to be done."""
    (tmp_path / "loadtests" / "loans").mkdir(parents=True)
    spec = spec_of(application="ads", checks={"usd_per_1000_predictions": 0.1})
    both = (CheckName.LATENCY, CheckName.COST)
    layout, environment = LocalLayout(tmp_path, "local"), load_environment(ROOT, "local")
    told = run(Job(layout, environment, tmp_path, spec, DIGEST, both, print, both))
    assert [(one.check, one.status) for one in told] == [(name, Status.LEFT_OUT) for name in both]
    assert summary(told, needed(spec)) == "2 left out: it may go on; still to be checked: cost, latency"
    assert markdown("loans", DIGEST, told, needed(spec)).count("| left out |") == 2
    with_one = run(Job(layout, environment, tmp_path, spec, DIGEST, both, print, (CheckName.COST,)))
    assert [one.status for one in with_one] == [Status.MISSING, Status.LEFT_OUT]
    assert summary(with_one, needed(spec)) == "1 missing, 1 left out: stopped by latency"


def test_every_name_has_its_check() -> None:
    """In the order of the names, each once."""
    assert tuple(check.name for check in CHECKS) == tuple(CheckName)
    assert set(OF_BUNDLE) < set(CheckName)
