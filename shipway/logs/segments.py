"""One segment as batches of the columns that are asked for, in the types of its log."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.logs.schemas import ADDED_LATER, SCHEMAS, Kind

__all__ = ["BATCH_RECORDS", "batches", "chosen"]

# A segment's writer ends it there; a longer file of another origin is read in pieces of this size.
BATCH_RECORDS = 5000


def chosen(kind: Kind, columns: Sequence[str]) -> pa.Schema:
    """Returns the part of the log's schema that `columns` names, in their order.

    Raises:
        KeyError: for a column that no record of this kind has.
    """
    return pa.schema([SCHEMAS[kind].field(name) for name in columns])


def batches(file: pq.ParquetFile, schema: pa.Schema, known_records: int = 0) -> Iterator[pa.Table]:
    """Yields the records after the first `known_records`, no more than `BATCH_RECORDS` at once, cast to `schema`.

    Raises:
        ArrowInvalid: naming the columns that are missing, or a value that has another type.
    """
    names, there = list(schema.names), set(file.schema_arrow.names)
    if missing := [name for name in names if name not in there and name not in ADDED_LATER]:
        raise pa.ArrowInvalid(f"no column {', '.join(missing)}")
    read, passed = [name for name in names if name in there], 0
    for batch in file.iter_batches(BATCH_RECORDS, columns=read, use_threads=False):
        start = max(0, known_records - passed)
        passed += batch.num_rows
        if start < batch.num_rows:
            table = pa.Table.from_batches([batch.slice(start)])
            for name in set(names) - there:
                table = table.append_column(
                    name, pa.array([ADDED_LATER[name]] * table.num_rows, schema.field(name).type)
                )
            yield table.select(names).cast(schema)
