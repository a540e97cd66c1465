"""What stands for a text, a picture or a time where drift is counted."""

import base64
import math

import pytest

from shipway.contract.derived import MEASURES, is_derived, value_of
from shipway.contract.png import blank_png
from shipway.contract.schema import FieldKind, FieldSpec


@pytest.mark.parametrize("kind", FieldKind)
def test_names_are_a_field_and_a_measure(kind: FieldKind) -> None:
    """Those that the field names and its kind has, with a dot that no field or feature has; any other is refused."""
    more = {FieldKind.VECTOR: {"length": 2}, FieldKind.IMAGE: {"shape": (1, 1, 1)}}.get(kind, {})
    content = {"name": "x", "kind": kind, **more}
    assert FieldSpec.model_validate(content).derived == ()
    names = FieldSpec.model_validate({**content, "measures": tuple(MEASURES.get(kind, ()))}).derived
    assert list(names) == [f"x.{measure}" for measure in MEASURES.get(kind, ())]
    assert all(is_derived(name) for name in names)
    with pytest.raises(ValueError, match=r"measures .*not mean, in field x"):
        FieldSpec.model_validate({**content, "measures": ("mean",)})


def test_a_personal_text_is_not_measured() -> None:
    """It is hashed in the log, so that nobody could count it there."""
    with pytest.raises(ValueError, match="no measures of a personal field, not words, in field t"):
        FieldSpec(name="t", kind=FieldKind.TEXT, measures=("words",), personal=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0, 0)),
        ("Wo ist sie?", (11, 3, 1 / 11)),
        ("<b>ü</b>", (8, 1, 5 / 8)),
        (None, (None, None, None)),
        (3, (None, None, None)),
    ],
)
def test_a_text_in_three_numbers(text: object, expected: tuple[float | None, ...]) -> None:
    """Characters, words, and the share that is neither letter nor blank; null where there is no text."""
    measures = MEASURES["text"]
    assert tuple(value_of({"t": text}, f"t.{measure}") for measure in measures) == expected


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2013-05-01T23:59:59.999999-04:00", 23.0),
        ("2013-05-02T03:59:59Z", 3.0),
        ("2013-05-01", 0.0),
        ("at noon", None),
        (None, None),
    ],
)
def test_a_time_is_its_hour_on_its_own_clock(text: str | None, hour: float | None) -> None:
    """As it is written: the same moment in another zone is asked otherwise; null where there is no time."""
    found = value_of({"t": text}, "t.hour")
    assert (None if found is None or math.isnan(found) else found) == hour


@pytest.mark.parametrize("edge", range(1, 9))
def test_a_pictures_bytes(edge: int) -> None:
    """As many as base64 holds, whatever its padding."""
    text = blank_png((edge, edge, 1))
    assert value_of({"p": text}, "p.bytes") == len(base64.b64decode(text))


def test_a_measure_that_a_later_version_brings() -> None:
    """It is null here, not an error."""
    assert value_of({"t": "text"}, "t.sentiment") is None
