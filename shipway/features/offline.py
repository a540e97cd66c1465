"""The offline side: values of the past as they were known at each example's own moment."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipway.contract.documents import write_atomic
from shipway.features.repository import apply_objects, feature_store_yaml, open_store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["offline_join", "open_offline"]


def open_offline(folder: Path, objects: Sequence[Any]) -> None:
    """Makes `folder` a repository that knows `objects`, for a training run apart from any environment.

    The objects' parquet files lie below `folder`, by the paths their sources name.
    """
    write_atomic(folder / "feature_store.yaml", feature_store_yaml())
    apply_objects(objects, folder)


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
    frame = (
        open_store(folder)
        .get_historical_features(
            entity_df=entities.reset_index(drop=True), features=list(reads), full_feature_names=True
        )
        .to_df()
    )
    columns = {read.replace(":", "__"): read for read in reads}
    return frame[list(columns)].rename(columns=columns).set_index(entities.index)
