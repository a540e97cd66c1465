"""The past is what the ledger says it was."""

from datetime import datetime

import pytest

from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.ledger import Entry
from shipway.delivery.past import Held, parse_time, past_at

A, B, C = ("sha256:" + letter * 64 for letter in "abc")


def entry(number: int, minute: int, action: str, generation: int | None = 1, **digests: str) -> Entry:
    return Entry(
        number=number,
        previous="0" * 64,
        time=f"2026-11-26T14:{minute:02}:00.000+00:00",
        actor="ada",
        action=action,
        model="digits",
        digests=digests,
        reason="why",
        generation=generation,
    )


STORY = [
    entry(1, 0, "released", None, released=A),
    entry(2, 1, "first_live", live=A),
    entry(3, 10, "candidate", live=A, candidate=B),
    entry(4, 20, "promoted", live=B, previous=A),
    entry(5, 25, "released", None, released=C),
    entry(6, 30, "rolled_back", live=A, candidate=B),
]


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (1, {"live": (A, 1)}),
        (9, {"live": (A, 1)}),
        (15, {"live": (A, 1), "candidate": (B, 10)}),
        (26, {"live": (B, 20), "previous": (A, 20)}),
        (59, {"live": (A, 30), "candidate": (B, 30)}),
    ],
)
def test_each_role_is_what_it_was_and_since_when(minute: int, expected: dict[str, tuple[str, int]]) -> None:
    """At every minute the roles are those of the last change before, each since it was last taken."""
    (past,) = past_at(STORY, datetime.fromisoformat(f"2026-11-26T14:{minute:02}:30+00:00")).values()
    assert past.roles == {
        role: Held(digest, f"2026-11-26T14:{since:02}:00.000+00:00") for role, (digest, since) in expected.items()
    }


def test_before_the_first_change_there_is_nothing() -> None:
    """A release that was not applied made no model live."""
    assert past_at(STORY, datetime.fromisoformat("2026-11-26T14:00:30+00:00")) == {}


def test_an_offset_is_believed_and_none_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same moment may be written in any zone; text that is no time is refused with examples."""
    assert parse_time("2026-11-26T15:00:00+01:00", "--at") == parse_time("2026-11-26T14:00:00Z", "--at")
    assert parse_time("2026-11-26 14:00", "--at") == datetime.fromisoformat("2026-11-26T14:00").astimezone()
    with pytest.raises(SpecError, match=r"--at: got 'noon', expected a time such as 2026-11-26T14:00:00\+01:00"):
        parse_time("noon", "--at")


def test_a_time_that_is_none_is_named() -> None:
    """An entry whose time cannot be read is named by its number."""
    broken = entry(7, 1, "promoted", live=A).model_copy(update={"time": "later"})
    with pytest.raises(ShipwayError, match=r"ledger entry 7: got time 'later', expected ISO 8601"):
        past_at([broken], datetime.fromisoformat("2026-11-26T14:00:30+00:00"))
