"""The offline side: values of the past as they were known at each example's own moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipway.contract.documents import write_atomic
from shipway.contract.errors import FeatureError
from shipway.features.repository import apply_objects, feature_store_yaml, open_store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Known", "history", "join_keys", "offline_join", "offline_known", "open_offline"]


def open_offline(folder: Path, objects: Sequence[Any]) -> None:
    """Makes `folder` a repository that knows `objects`, for a training run apart from any environment.

    The objects' parquet files lie below `folder`, by the paths their sources name.
    """
    write_atomic(folder / "feature_store.yaml", feature_store_yaml())
    apply_objects(objects, folder)


@dataclass(frozen=True)
class Known:
    """What the offline store knew at the moments it was asked about; both frames have the index of the question.

    Args:
        values: one column for each of the reads, null where nothing was known or the newest value was too old.
        times: by the same columns, the time of the value, null where there is none.
    """

    values: "pd.DataFrame"
    times: "pd.DataFrame"


def offline_join(folder: Path, reads: Sequence[str], entities: "pd.DataFrame") -> "pd.DataFrame":
    """Returns the value of each feature as it was known at each row's time: never a later one.

    Args:
        folder: the repository.
        reads: features as `view:feature`.
        entities: one row per example: the join keys, and `event_timestamp` (a UTC time).

    Returns:
        A frame with the index of `entities` and one column for each of `reads`, null where nothing was known or the
        newest value was older than the view's ttl.
    """
    return offline_known(folder, reads, entities).values


def offline_known(folder: Path, reads: Sequence[str], entities: "pd.DataFrame") -> Known:
    """Returns what `offline_join` does, and from when each of its values is; see there for the arguments."""
    frame = (
        open_store(folder)
        .get_historical_features(
            entity_df=entities.reset_index(drop=True), features=list(reads), full_feature_names=True
        )
        .to_df()
    )
    # Feast's package imports Feast.
    from shipway.features.asof import time_column

    columns = {read.replace(":", "__"): read for read in reads}
    times = frame[[time_column(read.partition(":")[0]) for read in reads]].set_axis(list(reads), axis=1)
    return Known(
        frame[list(columns)].rename(columns=columns).set_index(entities.index), times.set_index(entities.index)
    )


def join_keys(folder: Path, reads: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Returns view -> its join keys, for the views of `reads`.

    Raises:
        FeatureError: when the repository does not know a view.
    """
    return {
        name: tuple(str(column.name) for column in view.entity_columns) for name, view in _views(folder, reads).items()
    }


def history(folder: Path, reads: Sequence[str]) -> dict[str, "pd.DataFrame"]:
    """Returns view -> every value it ever had, oldest first: join keys, the features of `reads`, and `_value_time`.

    Raises:
        FeatureError: when the repository does not know a view, or a view has no file.
    """
    from shipway.features.asof import read_values

    found: dict[str, pd.DataFrame] = {}
    for name, view in _views(folder, reads).items():
        features = [read.partition(":")[2] for read in reads if read.partition(":")[0] == name]
        try:
            found[name] = read_values(view, features, folder)
        except FileNotFoundError as error:
            raise FeatureError(f"{folder}: view {name} has no values offline, expected a file ({error})") from None
    return found


def _views(folder: Path, reads: Sequence[str]) -> Mapping[str, Any]:
    """Returns name -> view for the views of `reads`, in their order."""
    from feast.errors import FeastObjectNotFoundException

    store, found = open_store(folder), dict[str, Any]()
    for name in dict.fromkeys(read.partition(":")[0] for read in reads):
        try:
            found[name] = store.get_feature_view(name)
        except FeastObjectNotFoundException:
            known = ", ".join(sorted(view.name for view in store.list_feature_views())) or "none"
            raise FeatureError(f"{folder}: found no feature view {name!r}, expected one of: {known}") from None
    return found
