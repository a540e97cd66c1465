"""What the engine's own events say of a preview: steps, findings of the policies, errors. Parsing, no engine."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

__all__ = ["Change", "Finding", "Foreseen", "Step", "parse_events", "read_events"]

_PLATFORM, _MODEL = "shipway:components:Platform", "shipway:components:ModelService"
_STACK = "pulumi:pulumi:Stack"
# How the engine says that a policy read what only `up` knows; the pack puts rule and property into the path.
_UNDECIDED = re.compile(
    r"can't run policy '([^']+)'.*? during preview: .*? at \.?(?:ML\d+\.)?(.*) can't be known", re.DOTALL
)


class Change(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    SAME = "same"


_CHANGES: Mapping[str, Change] = {
    "create": Change.CREATE,
    "create-replacement": Change.REPLACE,
    "delete": Change.DELETE,
    "delete-replaced": Change.REPLACE,
    "discard": Change.DELETE,
    "discard-replaced": Change.REPLACE,
    "import": Change.CREATE,
    "refresh": Change.SAME,
    "replace": Change.REPLACE,
    "same": Change.SAME,
    "update": Change.UPDATE,
}


@dataclass(frozen=True)
class Step:
    """One resource of a stack and what happens to it.

    Args:
        urn, type, name: which.
        change: what happens.
        part: the part of the platform, or the model, that it belongs to.
        keys: the properties that change; of a replacement, those that force it.
        inputs: what it will be made of; of a resource that goes, what it was made of.
        id: what the provider calls it, empty before it is made.
    """

    urn: str
    type: str
    name: str
    change: Change
    part: str
    keys: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: str = ""


@dataclass(frozen=True)
class Finding:
    """What one policy says of one resource.

    Args:
        rule: its id.
        severity: critical, high or medium.
        mandatory: whether it stops the deployment.
        decided: whether the policy could be run; a pass is nothing that is found.
        resource: whom it is about.
        message: what is wrong, or what is not known yet.
    """

    rule: str
    severity: str
    mandatory: bool
    decided: bool
    resource: str
    message: str

    @property
    def stops(self) -> bool:
        """Whether the deployment ends here."""
        return self.decided and self.mandatory


@dataclass(frozen=True)
class Foreseen:
    """A preview.

    Args:
        steps: every resource, the stack itself left out.
        findings: what the policies say.
        errors: what the engine, a provider or the program refused.
        warnings: what the program warned of.
    """

    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def read_events(path: Path) -> Foreseen:
    """Returns what the file of `--event-log` says; a file that is not there says nothing, as after no event at all."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return parse_events(cast(dict[str, Any], json.loads(line)) for line in text.splitlines())


def parse_events(events: Iterator[Mapping[str, Any]]) -> Foreseen:
    """Returns what the engine's events say together."""
    metadata: dict[str, dict[str, Any]] = {}
    findings: list[Finding] = []
    told: dict[str, list[str]] = {"error": [], "warning": []}
    for event in events:
        # What is foreseen of a resource and, once its step is done, what is known of it.
        for kind in ("resourcePreEvent", "resOutputsEvent"):
            if kind in event:
                one = event[kind]["metadata"]
                if one["type"] != _STACK:
                    metadata[one["urn"]] = _later(metadata.get(one["urn"]), one)
        if "policyEvent" in event:
            findings.append(_finding(event["policyEvent"]))
        diagnostic = event.get("diagnosticEvent", {})
        if diagnostic.get("severity") in told and not diagnostic.get("ephemeral"):
            told[diagnostic["severity"]].append(_sentence(diagnostic))
    steps = tuple(_step(one, metadata) for one in metadata.values())
    return Foreseen(
        tuple(sorted(steps, key=lambda step: (step.part, step.name, step.urn))),
        tuple(dict.fromkeys(findings)),
        # Which every failed preview ends with, and which says nothing.
        tuple(one for one in dict.fromkeys(told["error"]) if one not in ("preview failed", "update failed")),
        tuple(one for one in dict.fromkeys(told["warning"]) if not one.startswith("using pulumi-resource-")),
    )


def _later(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """Returns the step that says more: a replacement comes as three, one of which shows both sides."""
    if before is None or _CHANGES.get(before["op"]) is not Change.REPLACE:
        return now
    return now if now["op"] == "replace" or before["op"] == "delete-replaced" else before


def _step(one: Mapping[str, Any], all_of_them: Mapping[str, Mapping[str, Any]]) -> Step:
    change = _CHANGES.get(str(one["op"]), Change.SAME)
    state = cast(Mapping[str, Any], one.get("new") or one.get("old") or {})
    if change is Change.UPDATE and not state.get("custom"):
        # A component has nothing of its own: its inputs are told for the policies, and its children are steps too.
        change = Change.SAME
    keys = one.get("keys") if change is Change.REPLACE else one.get("diffs")
    return Step(
        urn=str(one["urn"]),
        type=str(one["type"]),
        name=str(one["urn"]).rpartition("::")[2],
        change=change,
        part=_part(str(one["urn"]), all_of_them),
        keys=tuple(cast(list[str], keys or [])),
        inputs=cast(Mapping[str, Any], state.get("inputs") or {}),
        id=str(state.get("id") or ""),
    )


def _part(urn: str, all_of_them: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the name of the model, or of the part directly below the platform, that a resource lies in."""
    before = ""
    while urn in all_of_them:
        one = all_of_them[urn]
        name = urn.rpartition("::")[2]
        if one["type"] == _MODEL:
            return f"model {name}"
        if one["type"] == _PLATFORM:
            return before or "platform"
        before = name
        state = cast(Mapping[str, Any], one.get("new") or one.get("old") or {})
        urn = str(state.get("parent") or "")
    return "stack"


def _finding(event: Mapping[str, Any]) -> Finding:
    message = str(event["message"]).strip()
    undecided = _UNDECIDED.search(message)
    rule = undecided[1] if undecided else str(event["policyName"])
    return Finding(
        # The twin of a rule that advises bears its name, and a word.
        rule=rule.removesuffix("-advice"),
        severity=str(event.get("severity") or ""),
        mandatory=event["enforcementLevel"] == "mandatory",
        decided=undecided is None,
        resource=str(event.get("resourceUrn") or "").rpartition("::")[2],
        # The policy's own text comes first, and is the same for all of its violations.
        message=undecided[2] if undecided else message.partition("\n")[2] or message,
    )


def _sentence(diagnostic: Mapping[str, Any]) -> str:
    about = str(diagnostic.get("urn") or "").rpartition("::")[2]
    message = str(diagnostic["message"]).strip()
    return f"{about}: {message}" if about and _STACK not in str(diagnostic.get("urn")) else message
