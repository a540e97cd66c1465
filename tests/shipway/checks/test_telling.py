"""The table, the comment, and what stops a release."""

import pytest

from shipway.checks.finding import Finding, Status, failing
from shipway.checks.registry import CHECKS, OF_BUNDLE
from shipway.checks.telling import cells, markdown, summary
from shipway.contract.check import CheckName

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


def test_every_name_has_its_check() -> None:
    """In the order of the names, each once."""
    assert tuple(check.name for check in CHECKS) == tuple(CheckName)
    assert set(OF_BUNDLE) < set(CheckName)
