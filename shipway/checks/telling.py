"""The table of findings, for a terminal and as Markdown for a comment on a pull request; pure."""

from collections import Counter
from collections.abc import Sequence, Set

from shipway.checks.finding import Finding, Status, failing
from shipway.contract.check import CheckName
from shipway.contract.release import short_digest

__all__ = ["cells", "markdown", "summary"]

_MARKS = {
    Status.PASSED: "passed",
    Status.FAILED: "**failed**",
    Status.UNDECIDED: "undecided",
    Status.MISSING: "missing",
    Status.SKIPPED: "skipped",
    Status.LEFT_OUT: "left out",
}


def cells(finding: Finding) -> tuple[str, str, str, str, str, str]:
    """Returns check, subject, status, value, bound and sentence of a finding."""
    value, bound = ("" if one is None else f"{one:.4g}" for one in (finding.value, finding.bound))
    unit = f" {finding.unit}" if value and finding.unit else ""
    return str(finding.check), finding.subject, str(finding.status), f"{value}{unit}", bound, finding.sentence


def summary(findings: Sequence[Finding], needed: Set[CheckName]) -> str:
    """Returns one sentence on all findings.

    >>> summary([], frozenset())
    'nothing was checked'
    """
    if not findings:
        return "nothing was checked"
    counts = Counter(finding.status for finding in findings)
    told = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    stops = failing(findings, needed)
    if not stops:
        out = sorted({str(finding.check) for finding in findings if finding.status is Status.LEFT_OUT})
        return f"{told}: it may go on" + (f"; still to be checked: {', '.join(out)}" if out else "")
    named = sorted({str(finding.check) for finding in stops})
    return f"{told}: stopped by {', '.join(named)}"


def markdown(model: str, digest: str, findings: Sequence[Finding], needed: Set[CheckName]) -> str:
    """Returns the comment: a sentence and a table; what stops comes first."""
    stops = failing(findings, needed)
    rest = [finding for finding in findings if finding not in stops]
    lines = [
        f"### shipway check {model}",
        "",
        f"`{short_digest(digest)}`: {summary(findings, needed)}",
        "",
        "| check | subject | status | value | bound | what was found |",
        "|---|---|---|---|---|---|",
    ]
    for finding in (*stops, *rest):
        check, subject, _, value, bound, sentence = cells(finding)
        mark = _MARKS[finding.status]
        if finding in stops and finding.status is not Status.FAILED:
            mark = f"**{finding.status}, needed**"
        lines.append("| " + " | ".join(map(_escaped, (check, subject, mark, value, bound, sentence))) + " |")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    # What a test or a model says may hold anything: none of it may end the cell, open a tag or name a person.
    return text.replace("|", "\\|").replace("<", "&lt;").replace("@", "&#64;").replace("\n", " ")
