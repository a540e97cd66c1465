"""What `--set key=value` may say: a setting of the plan or a rehearsed fault, as YAML writes its value."""

import difflib
from collections.abc import Iterable, Mapping

import yaml

from shipway.bundle.served import FaultsSpec
from shipway.contract.documents import Spec, parse
from shipway.contract.errors import SpecError
from shipway.training.plan import TrainingSettings

__all__ = ["parse_faults", "parse_overrides", "parse_settings"]

# Settings below this prefix belong to rehearsals of failing versions, whatever the plan.
_FAULT = "fault."


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
    mine = {key: value for key, value in overrides.items() if not key.startswith(_FAULT)}
    _refuse_unknown(mine, sorted(kind.model_fields))
    return parse(kind, {key: _value(kind, key, text) for key, text in mine.items()}, "--set")


def parse_faults(overrides: Mapping[str, str]) -> FaultsSpec | None:
    """Returns the faults that `overrides` ask for, None when they ask for none: a fault of 0 is no fault.

    Raises:
        SpecError: for a fault that does not exist, naming those there are, or a value that cannot be.
    """
    asked = {key: value for key, value in overrides.items() if key.startswith(_FAULT)}
    _refuse_unknown(asked, sorted(f"{_FAULT}{name}" for name in FaultsSpec.model_fields))
    names = {key.removeprefix(_FAULT): value for key, value in asked.items()}
    try:
        found = parse(FaultsSpec, {name: _value(FaultsSpec, name, text) for name, text in names.items()}, "--set")
    except SpecError as error:
        raise SpecError("--set", f"{_FAULT}{error.key}".rstrip("."), error.got, error.expected) from None
    return None if found == FaultsSpec() else found


def _refuse_unknown(overrides: Mapping[str, str], known: list[str]) -> None:
    for key, value in overrides.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SpecError("--set", key, value, f"one of {', '.join(known)}{hint}")


def _value(kind: type[Spec], key: str, text: str) -> object:
    # YAML would make a date of 2013-04-01; where the setting is text, the text is the value.
    if kind.model_fields[key].annotation is str:
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
