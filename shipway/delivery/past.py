"""What was live, candidate and previous at some time: the ledger replayed; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.ledger import Entry

__all__ = ["ROLES", "Held", "Past", "parse_time", "past_at", "time_of"]

ROLES = ("live", "candidate", "previous")


@dataclass(frozen=True)
class Held:
    """A digest in its role, and the moment from which it held it without a break."""

    digest: str
    since: str


@dataclass(frozen=True)
class Past:
    """What one model's digests were.

    Args:
        roles: role -> who held it; a role that nobody held is absent.
        action: what was done last before that time.
        actor: by whom.
        time: when that was.
        reason: why.
    """

    roles: dict[str, Held] = field(default_factory=dict[str, Held])
    action: str = ""
    actor: str = ""
    time: str = ""
    reason: str = ""


def parse_time(text: str, option: str) -> datetime:
    """Returns the moment that `text` names: ISO 8601, and without an offset in this machine's zone.

    >>> parse_time("2026-11-26T14:00:00+01:00", "--at").astimezone(UTC).isoformat()
    '2026-11-26T13:00:00+00:00'

    Raises:
        SpecError: naming `option`, when it is no time.
    """
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        expected = "a time such as 2026-11-26T14:00:00+01:00, or '2026-11-26 14:00' in this machine's zone"
        raise SpecError(option, "", text, expected) from None


def time_of(entry: Entry) -> datetime:
    """Returns when an entry was made.

    Raises:
        ShipwayError: naming the entry, when its time is none.
    """
    try:
        found = datetime.fromisoformat(entry.time)
    except ValueError:
        raise ShipwayError(f"ledger entry {entry.number}: got time {entry.time!r}, expected ISO 8601") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def past_at(entries: Iterable[Entry], moment: datetime) -> dict[str, Past]:
    """Returns model -> what it was at `moment`, from the entries in their order.

    An entry that led to a rollout state names every role that was held after it; one that changed no route, such as a
    release that waits to be applied, changes no role.
    """
    found: dict[str, Past] = {}
    for entry in entries:
        if entry.generation is None or time_of(entry) > moment:
            continue
        before = found.get(entry.model, Past()).roles
        roles = {
            role: before[role] if role in before and before[role].digest == digest else Held(digest, entry.time)
            for role in ROLES
            if (digest := entry.digests.get(role))
        }
        found[entry.model] = Past(roles, entry.action, entry.actor, entry.time, entry.reason)
    return found
