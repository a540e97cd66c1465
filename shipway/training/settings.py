"""What `--set key=value` may say: a setting of the plan, as YAML writes its value."""

import difflib
from collections.abc import Iterable, Mapping

import yaml

from shipway.contract.documents import parse
from shipway.contract.errors import SpecError
from shipway.training.plan import TrainingSettings

__all__ = ["parse_overrides", "parse_settings"]

# Settings below this prefix belong to rehearsals of failing versions.
_RESERVED_PREFIX = "fault."


def parse_overrides(assignments: Iterable[str]) -> dict[str, str]:
    """Returns key -> value text of `key=value` assignments.

    Raises:
        SpecError: when one has no `=`, or names its key twice.
    """
    found: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise SpecError("--set", "", assignment, "key=value")
        if key in found:
            raise SpecError("--set", key, assignment, "each key once")
        found[key] = value
    return found


def parse_settings(kind: type[TrainingSettings], overrides: Mapping[str, str]) -> TrainingSettings:
    """Returns the plan's settings with `overrides` in place of the defaults.

    Raises:
        SpecError: for a key that is no setting, naming those there are, or a value of the wrong type.
    """
    known = sorted(kind.model_fields)
    for key, value in overrides.items():
        if key.startswith(_RESERVED_PREFIX):
            raise SpecError("--set", key, value, "no such key: fault settings are reserved and not available yet")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SpecError("--set", key, value, f"one of {', '.join(known)}{hint}")
    return parse(kind, {key: _value(kind, key, text) for key, text in overrides.items()}, "--set")


def _value(kind: type[TrainingSettings], key: str, text: str) -> object:
    # YAML would make a date of 2013-04-01; where the setting is text, the text is the value.
    if kind.model_fields[key].annotation is str:
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
