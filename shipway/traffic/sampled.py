"""Traffic for a service without a traffic.py: its validation examples, over and over, each with its label."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shipway.contract.errors import SpecError
from shipway.traffic.events import Ask, Event, Label

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["sampled_events"]

# Examples without times of their own come one a second; each label follows when the next is asked about.
_STEP = timedelta(seconds=1)

_IN_A_HEADER = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}~"


def sampled_events(rows: "pd.DataFrame", labels: "pd.Series[Any]", start: datetime) -> Iterator[Event]:
    """Yields the examples for ever, each under an id of its own in each round.

    Args:
        rows: request fields by the schema's names.
        labels: by the same index; an example whose label is not known is asked about all the same.
        start: the event time of the first.

    Raises:
        SpecError: when there is no example.
    """
    names = [str(name) for name in rows.columns]
    if not len(rows):
        raise SpecError("train.py", "validation examples", "none", "at least one to ask about")
    columns = [_plain(rows[name]) for name in names]
    examples = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    truths = [float(label) for label in labels.tolist()]
    # An id goes into a header, which holds no other signs.
    units = [quote(str(unit), safe=_IN_A_HEADER) for unit in rows.index]
    for number in count():
        round_number, example = divmod(number, len(examples))
        unit = f"{units[example]}-{round_number}"
        at = start + number * _STEP
        yield Ask(at, unit, examples[example])
        if math.isfinite(truths[example]):
            yield Label(at + _STEP, unit, truths[example])


def _plain(values: "pd.Series[Any]") -> list[Any]:
    """Returns a column as JSON has it: null where nothing is known, an array as a list, a time as its text."""
    known: list[bool] = values.notna().tolist()
    return [_sent(value) if there else None for value, there in zip(values.tolist(), known, strict=True)]


def _sent(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    # Of numpy, an array or one number of it.
    return value.tolist() if hasattr(value, "tolist") else value
