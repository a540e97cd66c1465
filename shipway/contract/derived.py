"""What is counted for drift of a field that has no bins of its own: a free text, a picture or a time never repeats.

Such a field is watched by a few numbers of it, those that its schema names, each as `field.measure`: `comment.words`.
They are made of the value alone, so that training, a slot and the reader of its log count the same.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

__all__ = ["MEASURES", "field_of", "is_derived", "value_of"]


def _characters(text: str) -> float:
    return float(len(text))


def _words(text: str) -> float:
    return float(len(text.split()))


def _other_ratio(text: str) -> float:
    return sum(not (one.isalpha() or one.isspace()) for one in text) / len(text) if text else 0.0


def _bytes(text: str) -> float:
    return float(len(text) * 3 // 4 - text.count("=", -2))


def _hour(text: str) -> float:
    try:
        return float(datetime.fromisoformat(text).hour)
    except ValueError:
        return float("nan")


# Kind of field -> measure -> the number of a value. Of a text: its characters, its words, and the share of characters
# that are neither letters nor blanks, which markup and broken encodings raise. Of a picture: its bytes as a PNG, which
# fall when it goes dark or blurred and rise with noise, and which need no decoding. Of a time: the hour of the day, on
# the clock that it is written with; not the weekday, for a window of a day holds one alone.
MEASURES: Mapping[str, Mapping[str, Callable[[str], float]]] = {
    "text": {"characters": _characters, "words": _words, "other_ratio": _other_ratio},
    "image": {"bytes": _bytes},
    "timestamp": {"hour": _hour},
}

_BY_NAME = {name: measure for measures in MEASURES.values() for name, measure in measures.items()}


def is_derived(name: str) -> bool:
    """Returns whether `name` is that of a measure; fields and features have no dot."""
    return "." in name


def field_of(name: str) -> str:
    """Returns the field that a measure is of."""
    return name.partition(".")[0]


def value_of(row: Mapping[str, object], name: str) -> float | None:
    """Returns a measure of a row's field; None where the field is null, or no text.

    >>> value_of({"comment": "two words!"}, "comment.words"), value_of({"comment": "a, b"}, "comment.other_ratio")
    (2.0, 0.25)
    >>> value_of({"departs": "2013-05-01T23:59:00-04:00"}, "departs.hour")
    23.0

    Args:
        row: field -> value.
        name: `field.measure`; of a measure that this version does not know there is no value.
    """
    text, measure = row.get(field_of(name)), name.partition(".")[2]
    return _BY_NAME[measure](text) if isinstance(text, str) and measure in _BY_NAME else None
