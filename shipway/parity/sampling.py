"""Which logged predictions are compared: chosen by their id, so that asking twice asks about the same."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.contract.errors import ShipwayError
from shipway.contract.lots import lot
from shipway.contract.release import short_digest
from shipway.logs.reading import batches, newest_hour
from shipway.logs.schemas import PREDICTION_SCHEMA

if TYPE_CHECKING:
    import pyarrow as pa

    from shipway.logs.sources import Source

__all__ = ["by_version", "chosen", "find_bundle", "sample", "stretch"]

# What is looked at when nobody says which time: the newest day that was logged.
_NEWEST = timedelta(days=1)


def chosen(records: "pa.Table", ratio: float) -> "pa.Table":
    """Returns the records whose lot is below `ratio`."""
    import pyarrow as pa

    return records.filter(
        pa.array([lot(one) < ratio for one in records.column("prediction_id").to_pylist()], pa.bool_())
    )


def least(records: "pa.Table", count: int) -> "pa.Table":
    """Returns the `count` records with the least lots, in the order of their event times."""
    import pyarrow as pa

    lots = [lot(one) for one in records.column("prediction_id").to_pylist()]
    kept = sorted(range(len(lots)), key=lots.__getitem__)[:count]
    return records.take(pa.array(sorted(kept), pa.int64())).sort_by("event_time")


def stretch(source: "Source", since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """Returns the stretch of event time to look at: what is asked for, or the newest day that was logged.

    Raises:
        ShipwayError: when nothing was logged.
    """
    newest = newest_hour(source)
    if newest is None:
        raise ShipwayError("no prediction was logged, expected some; `shipway replay MODEL` makes some")
    end = until or newest + timedelta(hours=1)
    return since or end - _NEWEST, end


def sample(source: "Source", start: datetime, end: datetime, count: int) -> tuple["pa.Table", int]:
    """Returns `count` of the predictions in a stretch of event time, in bounded memory, and how many there were.

    Raises:
        ShipwayError: when there are none.
    """
    import pyarrow as pa

    kept, seen = PREDICTION_SCHEMA.empty_table(), 0
    for piece in batches(source, "predictions", start, end, PREDICTION_SCHEMA.names):
        seen += piece.num_rows
        kept = least(pa.concat_tables([kept, piece]), count)
    if not seen:
        raise ShipwayError(
            f"no prediction was logged between {start.isoformat()} and {end.isoformat()}, expected some; "
            "choose another time with --since and --until"
        )
    return kept, seen


def by_version(records: "pa.Table") -> "Mapping[str, pa.Table]":
    """Returns version -> its records, sorted by version."""
    rows: dict[str, list[int]] = {}
    for row, version in enumerate(records.column("version").to_pylist()):
        rows.setdefault(str(version), []).append(row)
    return {version: records.take(some) for version, some in sorted(rows.items())}


def find_bundle(artifacts: Path, version: str) -> Path | None:
    """Returns the bundle whose short digest is `version`, None when the store does not hold it."""
    found = [path for path in artifacts.glob(f"sha256/{version}*") if short_digest(f"sha256:{path.name}") == version]
    return found[0] if found else None
