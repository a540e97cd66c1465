"""Who answers for a model."""

from collections.abc import Iterator

from policies.resource import Resource
from policies.rule import Context, Severity, rule

__all__ = ["owner_named"]

_OWNER = {
    "team": "pricing",
    "contact": "pricing@example.com",
    "escalation": "pricing-oncall@example.com",
    "runbook_url": "https://example.com/runbooks/pricing",
}

# What people leave in a template.
_PLACEHOLDERS = frozenset(
    {"", "-", "?", "changeme", "fixme", "n/a", "na", "nobody", "none", "tbd", "todo", "unknown", "xxx"}
)


@rule(
    "ML041",
    "owner, escalation and runbook",
    severity=Severity.HIGH,
    fix="Name them under `owner` in model.yaml.",
    passing={"model": {"owner": _OWNER}},
    failing={"model": {"owner": {**_OWNER, "runbook_url": "TODO"}}},
)
def owner_named(resource: Resource, _context: Context) -> Iterator[str]:
    """Every model names a team, a contact, an escalation contact and a runbook one can open, or is not deployed."""
    owner = resource.props["model"]["owner"]
    found = [
        f"owner.{field} is {owner.get(field)!r}"
        for field in ("team", "contact", "escalation", "runbook_url")
        if str(owner.get(field) or "").strip().lower() in _PLACEHOLDERS
    ]
    url = str(owner.get("runbook_url"))
    if not found and not url.startswith(("https://", "http://")):
        found.append(f"owner.runbook_url is {url!r}, which is no web address")
    yield from found
