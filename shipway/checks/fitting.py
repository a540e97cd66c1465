"""Schema check: the bundle's fields against the example request, the held-out rows, and what a slot answers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipway.checks.adversarial import wrong_answer
from shipway.checks.facts import Facts, records
from shipway.checks.finding import Finding, Status
from shipway.contract.check import CheckName
from shipway.contract.schema import Violation
from shipway.serving.outputs import example_row

__all__ = ["check_schema"]

# More would take longer than they tell.
_MOST_ROWS = 5000


def check_schema(facts: Facts) -> Iterator[Finding]:
    """Yields whether every example and every held-out row fits the schema, and whether the example is answered."""
    yield _fitting("examples of the fields", facts, [example_row(facts.schema)])
    fields = list(facts.schema.names)
    held_out = facts.held_out.rows
    if missing := [name for name in fields if name not in held_out.columns]:
        sentence = f"train.py's rows lack {', '.join(missing)}, expected every field of schema.py"
        yield _finding("held-out rows", Status.FAILED, sentence, len(missing))
    else:
        yield _fitting("held-out rows", facts, records(held_out[fields].head(_MOST_ROWS)))
    yield from _request(facts)


def _request(facts: Facts) -> Iterator[Finding]:
    where = "tests/request.json"
    if facts.request is None:
        sentence = f"services/{facts.spec.package}/{where} is not there; write one request that a caller may copy"
        yield Finding(check=CheckName.SCHEMA, subject=where, status=Status.MISSING, sentence=sentence)
        return
    rows = facts.request.get("rows")
    if not isinstance(rows, list) or not rows:
        yield _finding(where, Status.FAILED, "it has no rows, expected a list of at least one", 1)
        return
    yield _fitting(where, facts, rows)  # pyright: ignore[reportUnknownArgumentType]
    reply = facts.send(json.dumps(facts.request).encode())
    problem = wrong_answer(reply, len(rows), facts.task)  # pyright: ignore[reportUnknownArgumentType]
    status = Status.FAILED if problem else Status.PASSED
    yield _finding("answer to it", status, problem or "the model answers it over HTTP", int(bool(problem)))


def _fitting(subject: str, facts: Facts, rows: Sequence[Mapping[str, Any]]) -> Finding:
    found = facts.schema.check(rows)
    if not found:
        return _finding(subject, Status.PASSED, f"{len(rows)} rows fit the schema", 0)
    return _finding(subject, Status.FAILED, _worded(found[0], subject), len(found))


def _worded(violation: Violation, subject: str) -> str:
    return (
        f"row {violation.row} of {subject}, field {violation.field}: got {violation.got}, expected {violation.expected}"
    )


def _finding(subject: str, status: Status, sentence: str, violations: int) -> Finding:
    return Finding(
        check=CheckName.SCHEMA,
        subject=subject,
        status=status,
        sentence=sentence,
        value=float(violations),
        bound=0.0,
        unit="violations",
    )
