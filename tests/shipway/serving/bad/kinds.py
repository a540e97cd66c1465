"""What one kind of bad input is: what is sent, and the status and words that must come back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.shipway.serving.doubles import ROW

__all__ = ["BIG", "GOOD", "JSON_WORDS", "VERSION", "Kind", "body", "raw", "without"]

JSON_WORDS = "a JSON object in UTF-8"
# What the slot calls itself in these tests; a slot with a digest of its own is asked with that in its place.
VERSION = "abababababab"
# The slot's limit for one body in these tests.
BIG = 300_000


@dataclass(frozen=True)
class Kind:
    """One kind of bad input.

    Args:
        content: the body.
        field, rule: of the first violation; no rule for an answer that lists none.
        expected: words of what it says was expected.
        row: of the first violation; -1 is the request.
        status: of the answer.
        error: words of the error's sentence.
        path, method, headers: of the request.
    """

    content: bytes
    field: str = ""
    rule: str = ""
    expected: str = ""
    row: int = -1
    status: int = 400
    error: str = ""
    path: str = "/predict"
    method: str = "POST"
    headers: Sequence[tuple[str, str | bytes]] = ()

    def of(self, version: str) -> "Kind":
        """Returns the kind as it is sent to a slot of another version."""
        return replace(self, path=self.path.replace(VERSION, version), error=self.error.replace(VERSION, version))

    def problem(self, status: int, answer: Mapping[str, Any]) -> str:
        """Returns how an answer differs from what it must be, empty where it does not."""
        if status != self.status:
            return f"status {status}, expected {self.status}: {answer}"
        if not answer.get("error") or self.error not in answer["error"]:
            return f"error {answer.get('error')!r}, expected words {self.error!r}"
        if not self.rule:
            return f"violations {answer['violations'][:1]}, expected none" if "violations" in answer else ""
        first = answer["violations"][0]
        found = (first["row"], first["field"], first["rule"])
        if found != (self.row, self.field, self.rule):
            return f"violation {first}, expected {(self.row, self.field, self.rule)}"
        return "" if self.expected in first["expected"] else f"expected {first['expected']!r}, not {self.expected!r}"


def body(**changes: Any) -> bytes:
    """Returns a request of one good row with changes."""
    return json.dumps({"rows": [ROW | changes]}).encode()


def without(name: str) -> bytes:
    """Returns a request of one row that lacks a field."""
    return json.dumps({"rows": [{key: value for key, value in ROW.items() if key != name}]}).encode()


def raw(field: str, literal: str | bytes) -> bytes:
    """Returns a request of one row in which a field's value is written as `literal`."""
    text = literal if isinstance(literal, bytes) else literal.encode()
    return body(**{field: "@"}).replace(b'"@"', text)


GOOD = body()
