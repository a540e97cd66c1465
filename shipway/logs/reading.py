"""The records of a stretch of event time, as batches in bounded memory or as one table."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from shipway.logs.schemas import HOUR_FORMAT, Kind
from shipway.logs.segments import batches as pieces
from shipway.logs.segments import chosen
from shipway.logs.sources import Source

__all__ = ["batches", "newest_hour", "records", "refusal"]

_TIME = "event_time"


def batches(
    source: Source, kind: Kind, start: datetime, end: datetime, columns: Sequence[str], *, refresh: bool = True
) -> Iterator[pa.Table]:
    """Yields the records with start <= event time < end, by hour and by segment, a few thousand at once.

    A torn or foreign file is told to the source's `skipped` and passed over; one that retention removes meanwhile is
    passed over in silence. Within an hour the records are in no order.

    Args:
        source: the logs of one model.
        kind: which log; a label's event time is the one that came with it, not that of its prediction.
        start, end: aware.
        columns: what is read; a column that is not asked for costs nothing.
        refresh: whether to look again for what there is; who asks hour by hour does that once.

    Raises:
        ValueError: for a time without an offset.
        KeyError: for a column that no record of this kind has.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.utcoffset() is None:
            raise ValueError(f"{name}: {moment.isoformat()} has no offset, expected an aware time")
    wanted, schema = list(columns), chosen(kind, list(dict.fromkeys([*columns, _TIME])))
    first, last = start.astimezone(UTC).strftime(HOUR_FORMAT), end.astimezone(UTC).strftime(HOUR_FORMAT)
    if refresh:
        source.refresh()
    for hour in sorted(hour for hour in source.hours(kind) if first <= hour <= last):
        for name in sorted(source.segments(kind, hour)):
            try:
                with source.open(kind, hour, name) as file:
                    for table in pieces(file, schema):
                        times = table.column(_TIME)
                        bounds = (("greater_equal", start), ("less", end))
                        inside = pc.call_function("and", [pc.call_function(how, [times, at]) for how, at in bounds])
                        if (found := table.filter(inside).select(wanted)).num_rows:
                            yield found
            except FileNotFoundError:
                continue
            except (OSError, pa.ArrowException) as error:
                source.skipped(refusal(source.where(kind, hour, name), kind, error))


def records(
    source: Source, kind: Kind, start: datetime, end: datetime, columns: Sequence[str], *, refresh: bool = True
) -> pa.Table:
    """Returns the records with start <= event time < end as one table, which has to fit into memory; see `batches`."""
    schema = chosen(kind, columns)
    return pa.concat_tables([schema.empty_table(), *batches(source, kind, start, end, columns, refresh=refresh)])


def newest_hour(source: Source) -> datetime | None:
    """Returns the beginning of the newest hour in which something was predicted, so that all before it is in the log.

    Once something was replayed it is the newest hour of what was: a request without a time of its own is of the
    present, and what is replayed would be a matter of long ago. None where nothing was predicted.
    """
    source.refresh()
    hours = sorted(source.hours("predictions"), reverse=True)
    replayed = (
        hour
        for hour in hours
        if any(source.is_replayed("predictions", hour, name) for name in source.segments("predictions", hour))
    )
    newest = next(replayed, hours[0] if hours else None)
    return None if newest is None else datetime.strptime(newest, HOUR_FORMAT).replace(tzinfo=UTC)


def refusal(where: str, kind: Kind, error: Exception) -> str:
    """Returns the sentence about a file that is no segment of its log."""
    reason = str(error).strip().partition("\n")[0]
    return f"{where}: {reason or type(error).__name__}, expected a segment of {kind}"
