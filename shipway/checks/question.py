"""What the child process that asks a bundle is told, and what it says back: one JSON document a line."""

from shipway.checks.finding import Finding
from shipway.contract.check import CheckName
from shipway.contract.documents import Spec

__all__ = ["Question", "Said"]


class Question(Spec):
    """What the child is asked.

    Args:
        bundle: the version's folder in the artifact store.
        service: the service's folder in the project: its model.yaml, tests and checks.py.
        cache: the plan's folder of derived data.
        scratch: an empty folder for the slot.
        checks: which, in order.
    """

    bundle: str
    service: str
    cache: str
    scratch: str
    checks: tuple[CheckName, ...]


class Said(Spec):
    """One line of the child's.

    Args:
        begins: the check that begins now; None before the first, while slot and rows are made ready.
        findings: those of the check that ended; None when it only begins.
    """

    begins: CheckName | None = None
    findings: tuple[Finding, ...] | None = None
