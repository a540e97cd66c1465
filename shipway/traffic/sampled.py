"""Traffic for a service without a traffic.py: its validation examples, over and over, each with its label."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from shipway.traffic.events import Ask, Event, Label

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["sampled_events"]

# Examples without times of their own come one a second; each label follows when the next is asked about.
_STEP = timedelta(seconds=1)


def sampled_events(rows: "pd.DataFrame", labels: "pd.Series[Any]", start: datetime) -> Iterator[Event]:
    """Yields the examples for ever, each under an id of its own in each round.

    Args:
        rows: request fields by the schema's names.
        labels: by the same index.
        start: the event time of the first.
    """
    names = [str(name) for name in rows.columns]
    examples = [
        dict(zip(names, values, strict=True)) for values in zip(*(rows[name].tolist() for name in names), strict=True)
    ]
    truths = [float(label) for label in labels.tolist()]
    units = [str(unit) for unit in rows.index]
    for number in count():
        round_number, example = divmod(number, len(examples))
        unit = f"{units[example]}-{round_number}"
        at = start + number * _STEP
        yield Ask(at, unit, examples[example])
        yield Label(at + _STEP, unit, truths[example])
