"""A preview in words: for a terminal, and as the comment of a pull request."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.cost import Bill, Line
from tools.foreseen import Change, Finding, Foreseen, Step

__all__ = ["StackReport", "Summary", "as_document", "as_markdown", "as_text"]

STANDINS = "stand-ins answer for AWS and Kubernetes: nothing is asked of a cloud"
# In this order: what destroys comes first.
_CHANGES = (Change.DELETE, Change.REPLACE, Change.UPDATE, Change.CREATE)
_SEVERITIES = ("critical", "high", "medium")
_MOST_LINES = 40


@dataclass(frozen=True)
class StackReport:
    """What was foreseen of one stack.

    Args:
        name: the stack.
        preview: what the engine foresees.
        rehearsal: what it met in an `up` on the stand-ins, None where the preview had failed already.
        failed: whether either of them failed.
    """

    name: str
    preview: Foreseen
    rehearsal: Foreseen | None
    failed: bool

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the policies found, in the preview or once everything was known."""
        later = self.rehearsal.findings if self.rehearsal else ()
        return tuple(dict.fromkeys([*self.preview.findings, *(one for one in later if one.decided)]))

    @property
    def errors(self) -> tuple[str, ...]:
        """What was refused."""
        return tuple(dict.fromkeys([*self.preview.errors, *(self.rehearsal.errors if self.rehearsal else ())]))


@dataclass(frozen=True)
class Summary:
    """All stacks of an environment.

    Args:
        environment: its name.
        compared_with: what is in place before, in words.
        stacks: the stacks in the order in which they are deployed.
        bill: what they cost together; None where the target has no price list.
        budget_usd: what the environment may cost a month.
        policies: whether the pack judged them.
        left_out: stacks that were not looked at, because one that they are built on fails.
    """

    environment: str
    compared_with: str
    stacks: tuple[StackReport, ...]
    bill: Bill | None
    budget_usd: float | None
    policies: bool
    left_out: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the deployment would end with an error."""
        return any(stack.failed for stack in self.stacks)

    @property
    def cut_short(self) -> bool:
        """Whether something was refused, after which nothing more is foreseen; a violated rule does not end a look."""
        return any(stack.errors for stack in self.stacks)


def as_text(summary: Summary) -> str:
    """Returns the summary for a terminal."""
    lines = [f"{summary.environment}: {STANDINS}", f"  compared with {summary.compared_with}"]
    for stack in summary.stacks:
        lines += ["", f"{stack.name}: {_verdict(stack)}"]
        lines += [f"  {line}" for line in _stack_lines(stack, policies=summary.policies)]
    lines += [f"{name}: not previewed, because what it is built on fails" for name in summary.left_out]
    if summary.bill:
        lines += ["", *_bill_lines(summary.bill, summary)]
    return "\n".join(lines)


def as_markdown(summary: Summary) -> str:
    """Returns the summary as a comment; its first line is what the next one finds it by."""
    state = "fails" if summary.failed else "passes"
    lines = [
        f"<!-- shipway-preview {summary.environment} -->",
        f"### Preview of `{summary.environment}`: {state}",
        "",
        f"Compared with {summary.compared_with}; {STANDINS}.",
    ]
    for stack in summary.stacks:
        lines += ["", f"#### `{stack.name}`: {_verdict(stack)}", "", *_change_table(stack.preview.steps)]
        lines += ["", *(f"- {line}" for line in _stack_lines(stack, policies=summary.policies))]
    lines += [f"\n`{name}` is not previewed, because what it is built on fails." for name in summary.left_out]
    if summary.bill:
        head, *rest = _bill_lines(summary.bill, summary)
        lines += ["", f"#### {head}", "", *(f"- {line.strip()}" for line in rest)]
    return "\n".join(lines) + "\n"


def as_document(summary: Summary) -> dict[str, object]:
    """Returns the summary as plain mappings."""
    bill = summary.bill
    return {
        "environment": summary.environment,
        "compared_with": summary.compared_with,
        "failed": summary.failed,
        "left_out": list(summary.left_out),
        "stacks": {stack.name: _stack_document(stack) for stack in summary.stacks},
        "cost": None
        if bill is None or summary.cut_short
        else {
            "least_usd_per_month": round(bill.least_usd, 2),
            "most_usd_per_month": round(bill.most_usd, 2),
            "budget_usd_per_month": summary.budget_usd,
            "prices": {"region": bill.prices.region, "as_of": bill.prices.as_of.isoformat()},
            "unpriced": [
                {"resource": line.resource, "what": line.what, "why": line.unpriced} for line in bill.unpriced
            ],
            "lines": [
                {"resource": line.resource, "what": line.what, "least_usd": line.least_usd, "most_usd": line.most_usd}
                for line in bill.lines
            ],
        },
    }


def _stack_document(stack: StackReport) -> dict[str, object]:
    changed = [step for step in stack.preview.steps if step.change is not Change.SAME]
    return {
        "failed": stack.failed,
        "errors": list(stack.errors),
        "warnings": list(stack.preview.warnings),
        "changes": dict(Counter(str(step.change) for step in stack.preview.steps)),
        "steps": [
            {"urn": step.urn, "change": str(step.change), "part": step.part, "keys": list(step.keys)}
            for step in changed
        ],
        "findings": [
            {"rule": one.rule, "severity": one.severity, "stops": one.stops, "decided": one.decided}
            | {"resource": one.resource, "message": one.message}
            for one in stack.findings
        ],
    }


def _verdict(stack: StackReport) -> str:
    if stack.errors and not stack.preview.steps:
        return "refused before anything was foreseen"
    counts = Counter(step.change for step in stack.preview.steps)
    said = [f"{counts[change]} to {change}" for change in _CHANGES if counts[change]]
    changes = ", ".join(said) or "nothing changes"
    return f"{changes}, {counts[Change.SAME]} unchanged" + ("; the deployment would fail" if stack.failed else "")


def _change_table(steps: Sequence[Step]) -> Iterator[str]:
    """Returns the changes of each part as a table."""
    yield f"| part | {' | '.join(_CHANGES)} |"
    yield "|---|" + "---:|" * len(_CHANGES)
    for part in sorted({step.part for step in steps if step.change is not Change.SAME}):
        counts = Counter(step.change for step in steps if step.part == part)
        yield f"| {part} | {' | '.join(str(counts[change] or '') for change in _CHANGES)} |"


def _stack_lines(stack: StackReport, *, policies: bool) -> Iterator[str]:
    yield from (f"error: {error}" for error in stack.errors)
    yield from (f"warning: {warning}" for warning in stack.preview.warnings)
    gone = [step for step in stack.preview.steps if step.change in (Change.DELETE, Change.REPLACE)]
    for step in gone[:_MOST_LINES]:
        why = f" ({', '.join(step.keys)})" if step.keys else ""
        yield f"{step.change}: {step.name}, {step.type} of {step.part}{why}"
    if len(gone) > _MOST_LINES:
        yield f"and {len(gone) - _MOST_LINES} more to delete or replace"
    if policies:
        yield from _policy_lines(stack.findings, cut_short=bool(stack.errors))
    else:
        yield "policies: not asked"
    if stack.rehearsal and not stack.failed:
        yield f"rehearsed: `up` succeeds on the stand-ins, with {len(stack.rehearsal.steps)} resources"


def _policy_lines(findings: Sequence[Finding], *, cut_short: bool) -> Iterator[str]:
    found = [one for one in findings if one.decided]
    counts = Counter(one.severity for one in found if one.mandatory)
    said = ", ".join(f"{counts[severity]} {severity}" for severity in _SEVERITIES if counts[severity])
    advice = sum(not one.mandatory for one in found)
    none = "not everything was judged" if cut_short else "no violation"
    yield f"policies: {said or none}" + (f"; {advice} advisory" if advice else "")
    for one in sorted(found, key=lambda one: (not one.mandatory, _SEVERITIES.index(one.severity), one.rule))[
        :_MOST_LINES
    ]:
        yield f"{one.rule} {one.severity}{'' if one.mandatory else ', advice'}: {one.resource}: {one.message}"
    if len(found) > _MOST_LINES:
        yield f"and {len(found) - _MOST_LINES} more"
    undecided = {one.rule: one.message for one in findings if not one.decided}
    yield from (f"{rule} is not decidable before `up`: {message}" for rule, message in sorted(undecided.items()))


def _bill_lines(bill: Bill, summary: Summary) -> Iterator[str]:
    if summary.cut_short:
        yield "cost: not known, because not everything was foreseen"
        return
    yield f"cost: {bill.least_usd:,.0f} to {bill.most_usd:,.0f} USD a month, {bill.against(summary.budget_usd)}"
    listed = f"{bill.prices.source}, {bill.prices.region}, {bill.prices.as_of:%Y-%m}"
    yield f"  {listed}; without what is paid by use (traffic, requests, stored data)"
    alike: dict[str, list[Line]] = {}
    for line in bill.lines:
        if line.most_usd is not None:
            alike.setdefault(line.what, []).append(line)
    for what, lines in sorted(alike.items(), key=lambda one: -sum(line.most_usd or 0.0 for line in one[1])):
        least, most = (sum(line.least_usd or 0.0 for line in lines), sum(line.most_usd or 0.0 for line in lines))
        span = f"{least:,.2f}" if least == most else f"{least:,.2f} to {most:,.2f}"
        yield f"  {what}: {span} ({lines[0].resource if len(lines) == 1 else f'{len(lines)} of them'})"
    yield from (f"  not known: {line.resource}: {line.what}: {line.unpriced}" for line in bill.unpriced)
