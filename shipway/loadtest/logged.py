"""Rows that were really asked: the newest of the prediction log."""
# pyarrow ships no types.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from shipway.logs.reading import batches
from shipway.logs.schemas import HOUR_FORMAT
from shipway.logs.sources import Source

__all__ = ["MOST_LOGGED", "NOTHING_LOGGED", "Logged", "logged_rows"]

# More would change nothing about how varied the requests are.
MOST_LOGGED = 2000


@dataclass(frozen=True)
class Logged:
    """What was really asked.

    Args:
        rows: newest hour first.
        newest: event time of the newest of them, None without rows.
    """

    rows: Sequence[dict[str, Any]]
    newest: datetime | None


NOTHING_LOGGED = Logged((), None)


def logged_rows(source: Source, most: int = MOST_LOGGED) -> Logged:
    """Returns at most `most` of the newest logged rows; none where there is no log.

    Args:
        source: the logs of one model.
        most: how many; hours are read back from the newest until there are as many.
    """
    found: list[dict[str, Any]] = []
    newest: datetime | None = None
    source.refresh()
    for hour in sorted(source.hours("predictions"), reverse=True):
        try:
            start = datetime.strptime(f"{hour}+0000", f"{HOUR_FORMAT}%z")
        except ValueError:
            continue
        for table in batches(source, "predictions", start, start + timedelta(hours=1), ["fields", "event_time"]):
            for text, at in zip(
                table.column("fields").to_pylist(), table.column("event_time").to_pylist(), strict=True
            ):
                row: object = json.loads(text)
                if isinstance(row, dict):
                    found.append(cast(dict[str, Any], row))
                    newest = at if newest is None else max(newest, at)
                if len(found) >= most:
                    return Logged(found, newest)
    return Logged(found, newest)
