"""Rows that were really asked: the newest of the prediction log."""
# pyarrow ships no types.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

import json
from datetime import datetime, timedelta
from typing import Any, cast

from shipway.logs.reading import batches
from shipway.logs.schemas import HOUR_FORMAT
from shipway.logs.sources import Source

__all__ = ["MOST_LOGGED", "logged_rows"]

# More would change nothing about how varied the requests are.
MOST_LOGGED = 2000


def logged_rows(source: Source, most: int = MOST_LOGGED) -> list[dict[str, Any]]:
    """Returns at most `most` of the newest logged rows, newest hour first; none where there is no log.

    Args:
        source: the logs of one model.
        most: how many; hours are read back from the newest until there are as many.
    """
    found: list[dict[str, Any]] = []
    source.refresh()
    for hour in sorted(source.hours("predictions"), reverse=True):
        try:
            start = datetime.strptime(f"{hour}+0000", f"{HOUR_FORMAT}%z")
        except ValueError:
            continue
        for table in batches(source, "predictions", start, start + timedelta(hours=1), ["fields"]):
            for text in table.column("fields").to_pylist():
                row: object = json.loads(text)
                if isinstance(row, dict):
                    found.append(cast(dict[str, Any], row))
                if len(found) >= most:
                    return found
    return found
