"""A recorded sample: logged predictions with the offline rows they need, in one small Parquet file beside a service."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shipway.contract.errors import ShipwayError, SpecError
from shipway.features.offline import history, join_keys, open_offline
from shipway.logs.schemas import PREDICTION_SCHEMA
from shipway.parity.places import Places

__all__ = ["MOST_BYTES", "read_sample", "restore_offline", "sample_table", "write_sample"]

# It lies in git beside the service.
MOST_BYTES = 100_000

_OFFLINE = "offline"
_ROW = pa.struct(
    [
        ("view", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        # JSON texts, as in the log.
        ("keys", pa.string()),
        ("values", pa.string()),
    ]
)
_SCHEMA = PREDICTION_SCHEMA.append(pa.field(_OFFLINE, pa.list_(_ROW)))

# As far as two time zones lie apart, so that what is wrong with a sample can still be named.
_AROUND = pd.Timedelta(hours=15)


def sample_table(records: pa.Table, repository: Path | None, reads: Sequence[str]) -> pa.Table:
    """Returns `records` with the offline rows of their keys around each event, each row once.

    Args:
        records: prediction records.
        repository: the offline repository; None for a model that reads no features.
        reads: `view:feature` of each feature.
    """
    rows: list[list[dict[str, Any]]] = [[] for _ in range(records.num_rows)]
    if repository is not None:
        keys_of, seen = join_keys(repository, reads), set[tuple[str, int]]()
        keys = [json.loads(text) for text in records.column("entities").to_pylist()]
        events = [pd.Timestamp(time) for time in records.column("event_time").to_pylist()]
        for view, values in history(repository, reads).items():
            columns, places = keys_of[view], Places(values, keys_of[view])
            for number, (row, event) in enumerate(zip(keys, events, strict=True)):
                mine = places.of(row)
                for place in _near(values["_value_time"].iloc[mine], mine, event):
                    if (view, place) not in seen:
                        seen.add((view, place))
                        rows[number].append(_row(view, values, place, columns))
    return records.select(PREDICTION_SCHEMA.names).append_column(
        pa.field(_OFFLINE, pa.list_(_ROW)), pa.array(rows, pa.list_(_ROW))
    )


def _near(times: "pd.Series[Any]", places: NDArray[np.int64], event: pd.Timestamp) -> list[int]:
    """Returns the places of a key's values that lie around `event`, and of the newest one that was known by then."""
    low = int(times.searchsorted(event - _AROUND))
    newest = int(times.searchsorted(event, side="right")) - 1
    high = int(times.searchsorted(event + _AROUND, side="right"))
    return [int(place) for place in places[max(0, min(low, newest)) : high]]


def _row(view: str, values: pd.DataFrame, place: int, keys: Sequence[str]) -> dict[str, Any]:
    row = values.iloc[place]
    features = {str(name): row[name] for name in values.columns if name not in keys and name != "_value_time"}
    return {
        "view": view,
        "time": row["_value_time"].to_pydatetime(),
        "keys": json.dumps({key: row[key] for key in keys}, sort_keys=True, default=str),
        "values": json.dumps(
            {name: None if pd.isna(value) else float(value) for name, value in features.items()}, sort_keys=True
        ),
    }


def write_sample(path: Path, sample: pa.Table) -> int:
    """Writes a sample, whole or not at all, and returns its size in bytes.

    Raises:
        ShipwayError: when it is larger than a file kept in git should be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        pq.write_table(sample, temporary, compression="zstd", compression_level=19)
        size = temporary.stat().st_size
        if size > MOST_BYTES:
            raise ShipwayError(
                f"{path}: the sample would take {size} bytes, expected at most {MOST_BYTES}: choose fewer with --sample"
            )
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    return size


def read_sample(path: Path) -> pa.Table:
    """Returns a recorded sample.

    Raises:
        SpecError: when the file is none.
    """
    try:
        table = pq.read_table(path)
        return table.select(_SCHEMA.names).cast(_SCHEMA)
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SpecError(path, "", reason, "a sample that `shipway parity MODEL --record FILE` wrote") from None


def restore_offline(sample: pa.Table, objects: Sequence[Any], folder: Path) -> Path:
    """Returns a feature repository made in `folder` of the offline rows of a sample, for the real join.

    Args:
        sample: with its offline rows.
        objects: the service's Feast objects, whose files lie at `data/<view>.parquet`.
        folder: an empty one.
    """
    from feast import Entity, FeatureView

    # Feast knows the key columns of a view only when it is applied.
    keys = {entity.name: entity.join_key for entity in objects if isinstance(entity, Entity)}
    rows = [row for some in sample.column(_OFFLINE).to_pylist() for row in some]
    (folder / "data").mkdir(parents=True)
    for view in objects:
        if isinstance(view, FeatureView):
            source: Any = view.batch_source
            mine = [
                {**json.loads(row["keys"]), **json.loads(row["values"]), source.timestamp_field: row["time"]}
                for row in rows
                if row["view"] == view.name
            ]
            features = [field.name for field in view.features]
            columns = [*(keys[name] for name in view.entities), *features, source.timestamp_field]
            path = folder / str(source.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            frame = pd.DataFrame(mine, columns=columns)
            frame.astype(dict.fromkeys(features, float)).to_parquet(path, index=False)
    open_offline(folder, objects)
    return folder
