"""What a check says: one row of the table, with a number and its bound where there is one."""

from collections.abc import Iterable, Set
from enum import StrEnum

from shipway.contract.check import CheckName
from shipway.contract.documents import Spec

__all__ = ["Finding", "Status", "failing"]


class Status(StrEnum):
    """How a check ended; only the first says that something holds."""

    PASSED = "passed"
    FAILED = "failed"
    # There is evidence, and it is too little for a verdict.
    UNDECIDED = "undecided"
    # There is none, and a command or a file would bring it.
    MISSING = "missing"
    # Nothing of the kind is declared, so there is nothing to check.
    SKIPPED = "skipped"
    # Whoever started the checks asked for it not to be looked at: nothing is known, and nobody claims it.
    LEFT_OUT = "left out"


class Finding(Spec):
    """One row.

    Args:
        check: which check.
        subject: what of the model was looked at.
        status: how it ended.
        sentence: what was found, and what to do where it did not hold.
        value: what was measured, None where the finding is no number.
        bound: what it may be.
        unit: of both.
    """

    check: CheckName
    subject: str
    status: Status
    sentence: str
    value: float | None = None
    bound: float | None = None
    unit: str = ""


def failing(findings: Iterable[Finding], needed: Set[CheckName]) -> list[Finding]:
    """Returns the findings that stop a release: what failed, and what is not known though it is needed.

    Args:
        findings: of all checks that ran.
        needed: checks that must have evidence.
    """
    unknown = (Status.MISSING, Status.UNDECIDED)
    return [one for one in findings if one.status is Status.FAILED or (one.status in unknown and one.check in needed)]
