"""Rows whose fields are not what the schema says, for each kind of field."""

from typing import Any

from tests.shipway.serving.bad.kinds import GOOD, Kind, body, raw, without
from tests.shipway.serving.doubles import ROW

__all__ = ["FIELDS"]

RANGE = "a value from 0.0 to 100.0"


def values(field: str, rule: str, expected: str, **wrong: Any) -> dict[str, Kind]:
    """Returns a kind for each wrong value of a field."""
    return {
        f"{field} {name.replace('_', ' ')}": _kind(body(**{field: value}), field, rule, expected)
        for name, value in wrong.items()
    }


def literals(field: str, rule: str, expected: str, *wrong: str) -> dict[str, Kind]:
    """Returns a kind for each literal that JSON knows or Python's parser lets pass."""
    return {f"{field} {text[:20]} ({len(text)})": _kind(raw(field, text), field, rule, expected) for text in wrong}


def _kind(content: bytes, field: str, rule: str, expected: str) -> Kind:
    return Kind(content, field, rule, expected, 0, error="of the schema")


NO_FLOATS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "-" + "9" * 400)
TIME = "an ISO 8601 time with an offset"

FIELDS: dict[str, Kind] = {
    **{f"{name} missing": _kind(without(name), name, "missing", "a value") for name in ROW},
    **{
        f"{name} twice": _kind(
            *(GOOD.replace(f'"{name}": '.encode(), f'"{name}": 0, "{name}": '.encode()), name, "duplicate", "once")
        )
        for name in ROW
    },
    **{
        f"extra field {name[:20]!r}": _kind(body(**{name: 1}), name[:100], "unknown", "one of amount, count")
        for name in (
            *("extra", "Amount", "amount ", " amount", "", "AMOUNT", "amount\u0000", "am\u043eunt", "__proto__"),
            *("prediction", "weather_v1:wind", "amount; DROP TABLE rows", "{{7*7}}", "${jndi:ldap://x}", "../amount"),
            *("a" * 5000, "\u202eamount", "amo\u00fcnt", "\r\nx-slot: green"),
        )
    },
    "a thousand extra fields": _kind(
        body(**{f"x{number:04d}": number for number in range(1000)}), "x0000", "unknown", "one of amount, count"
    ),
    # A number.
    **values("amount", "null", "a value", null=None),
    **values(
        "amount", "type", "a number",
        text="2.5", empty_text="", text_NaN="NaN", text_null="null", true=True, false=False, list=[2.5], empty_list=[],
        object={}, object_with_a_value={"value": 2.5}, nested=[[[2.5]]], date="2013-05-01",
    ),
    **values("amount", "range", RANGE, below=-0.001, above=100.001, far_below=-1e300, far_above=1e300),
    **values("amount", "range", RANGE, just_below=-5e-324),
    **literals("amount", "finite", "a finite number", *NO_FLOATS),
    **literals("amount", "range", RANGE, "-1", "101", "1e2000000"[:4], "999999999999999999"),
    # An integer.
    **values("count", "null", "a value", null=None),
    **values(
        "count", "type", "an integer",
        fraction=3.5, whole_float=3.0, text="3", true=True, false=False, list=[3], object={}, empty_text="",
        roman="III", text_with_a_digit_of_another_script="\u0663",
    ),
    **values("count", "range", "a value from 0.0 to 9.0", below=-1, above=10, far_above=10**17),
    **literals("count", "type", "an integer", *NO_FLOATS, "3e0", "-0.0", "1000000000000000000"),
    # One of a closed set.
    **values("colour", "null", "a value", null=None),
    **values("colour", "type", "text", number=1, true=True, list=["red"], object={"colour": "red"}, zero=0),
    **values(
        "colour", "category", "one of red, green",
        unknown="blue", capitals="RED", trailing_space="red ", leading_space=" red", newline="red\n", empty="",
        NUL="red\0",
        homoglyph="r\u0435d", zero_width="re\u200bd", full_width="\uff52\uff45\uff44", both="red,green", quoted='"red"',
        long="red" * 10_000, null_text="null", injection="red' OR '1'='1", traversal="../../etc/passwd",
        format="%s%s%n", template="{{7*7}}", lookup="${jndi:ldap://x}", script="<script>alert(1)</script>",
        escape="\x1b[2J", emoji="\U0001f534", combining="re\u0301d", right_to_left="\u202eder",
    ),
    # Text.
    **values("who", "type", "text", number=14228, fraction=1.5, true=True, list=["N14228"], object={}, zero=0),
    **values(
        "who", "length", "at most 20 characters",
        too_long="x" * 21, emoji="\U0001f6e9" * 21, combining="e\u0301" * 11, spaces=" " * 21, huge="x" * 100_000,
        NULs="\0" * 21, zalgo="Z" + "\u0336" * 30,
    ),
    **literals("who", "type", "text", "NaN", "Infinity", "9" * 5000),
    # A time.
    **values("when", "null", "a value", null=None),
    **values("when", "type", "text", seconds=1367409600, fraction=1.5, true=True, list=[2013, 5, 1], object={}),
    **values(
        "when", "timezone", "a time with an offset",
        without_offset="2013-05-01T12:00:00", day="2013-05-01", week="2013-W18-3T12:00:00", compact="20130501T120000",
    ),
    **values(
        "when", "timestamp", TIME,
        empty="", word="tomorrow", impossible_day="2013-02-30T12:00:00Z", month_13="2013-13-01T12:00:00Z",
        day_0="2013-05-00T12:00:00Z", hour_25="2013-05-01T25:00:00Z", minute_60="2013-05-01T12:60:00Z",
        leap_second="2016-12-31T23:59:60Z", year_10000="10000-01-01T00:00:00Z", year_0="0000-01-01T00:00:00Z",
        negative_year="-2013-05-01T12:00:00Z", offset_25="2013-05-01T12:00:00+25:00",
        two_offsets="2013-05-01T12:00:00ZZ",
        zone_name="2013-05-01T12:00:00 Europe/Berlin", mail_style="Wed, 01 May 2013 12:00:00 GMT",
        american="05/01/2013 12:00", seconds_as_text="1367409600", trailing="2013-05-01T12:00:00Z and more",
        leading=" 2013-05-01T12:00:00Z", NUL="2013-05-01T12:00:00Z\0", NUL_between="2013-05-01\x0012:00:00Z",
        newline="2013-05-01T12:00:00Z\n",
        other_digits="\u0662\u0660\u0661\u0663-05-01T12:00:00Z", long="2013-05-01T12:00:00." + "0" * 10_000 + "Z",
        not_a_leap_year="2013-02-29T12:00:00Z",
    ),
    **values("when", "timestamp", "a time that exists in UTC too", before_the_calendar="0001-01-01T00:00:00+23:59"),
    **values("when", "timestamp", "a time that exists in UTC too", after_the_calendar="9999-12-31T23:59:59-23:59"),
    # A vector.
    **values("pixels", "null", "a value", null=None),
    **values("pixels", "type", "a list of 3 numbers", text="123", number=1, object={"0": 1}, true=True, empty_text=""),
    **values(
        "pixels", "length", "3 elements",
        empty=[], too_short=[1, 2], too_long=[1, 2, 3, 4], huge=[0] * 50_000, nested_whole=[[1, 2, 3]],
    ),
    **values(
        "pixels", "type", "a number",
        of_text=[1, "2", 3], nested=[[1], [2], [3]], with_null=[1, None, 3], with_true=[1, True, 3],
        with_object=[1, {}, 3],
    ),
    **values("pixels", "range", "a value from 0.0 to 16.0", out_of_range=[1, 2, 17], below=[-1, 2, 3]),
    **literals("pixels", "finite", "a finite number", "[1, NaN, 3]", "[1, 2, Infinity]", f"[{'9' * 400}, 2, 3]"),
}  # fmt: skip
