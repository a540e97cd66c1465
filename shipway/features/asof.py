# Feast carries no types that a strict checker accepts.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false, reportUntypedBaseClass=false
"""An offline store for Feast that joins by `merge_asof` instead of by a full product.

Feast's own file store joins every example with every value its entity ever had and then throws the later ones away:
a hundred thousand flights against a few thousand hours of weather is hundreds of millions of rows. It also loses an
example whose values are all too old or too new, and one of two examples with the same keys and time. The answer here
has every example, and agrees with Feast's on those that Feast keeps; a test holds one against the other.
"""

from datetime import timedelta
from typing import Any, Literal

import dask.dataframe as dd
import pandas as pd
from feast.infra.offline_stores.dask import DaskOfflineStore, DaskOfflineStoreConfig, DaskRetrievalJob
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import RetrievalMetadata

__all__ = ["AsofOfflineStore", "AsofOfflineStoreConfig", "read_values", "time_column"]

_EVENT_TIME = "event_timestamp"
_TIME_TYPE = "datetime64[ns, UTC]"


class AsofOfflineStoreConfig(DaskOfflineStoreConfig):
    """What feature_store.yaml may say under `offline_store`.

    Args:
        files: the folder or bucket below which the files of views lie; the repository's own folder by default.
        endpoint_url: of an object store that is not AWS's.
    """

    # A field of the base, narrowed to other names: Feast chooses the class by this value.
    type: Literal["shipway.features.asof.AsofOfflineStore"] = "shipway.features.asof.AsofOfflineStore"  # pyright: ignore[reportIncompatibleVariableOverride]
    files: str = ""
    endpoint_url: str = ""


class AsofOfflineStore(DaskOfflineStore):
    """Parquet files joined point in time; everything but the historical join is Feast's own."""

    @staticmethod
    def get_historical_features(
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **kwargs: Any,
    ) -> DaskRetrievalJob:
        """Returns a job whose frame has one row for each row of `entity_df`, in its order."""
        if not isinstance(entity_df, pd.DataFrame) or filter_by_created_timestamp or kwargs or not full_feature_names:
            raise ValueError("expected a data frame of entities with full feature names and no other option")
        wanted: dict[str, list[str]] = {}
        for reference in feature_refs:
            view, feature = reference.split(":")
            wanted.setdefault(view, []).append(feature)

        def evaluate() -> Any:
            # One unit of time on both sides: pandas joins no seconds with nanoseconds.
            times = entity_df[_EVENT_TIME].astype(_TIME_TYPE)
            joined = entity_df.assign(**{_EVENT_TIME: times, "_row": range(len(entity_df))})
            joined = joined.sort_values(_EVENT_TIME, kind="stable")
            for view in feature_views:
                joined = _join(joined, view, wanted[view.projection.name_to_use()], config.repo_path)
            joined = joined.sort_values("_row").drop(columns="_row").reset_index(drop=True)
            return dd.from_pandas(joined, npartitions=1)

        times = entity_df[_EVENT_TIME]
        return DaskRetrievalJob(
            evaluation_function=evaluate,
            full_feature_names=full_feature_names,
            repo_path=str(config.repo_path),
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=[str(column) for column in entity_df.columns if column != _EVENT_TIME],
                min_event_timestamp=times.min(),
                max_event_timestamp=times.max(),
            ),
        )


def time_column(view: str) -> str:
    """Returns the column of a joined frame that holds the time of each row's values of `view`, null where it has none.

    No feature can be called so: a name of Feast's has no colon.
    """
    return f"{view}::value_time"


def read_values(view: Any, features: list[str], repo_path: Any) -> pd.DataFrame:
    """Returns every value of some features of a view, oldest first, their time (UTC) in the column `_value_time`."""
    source = view.batch_source
    keys = [str(column.name) for column in view.entity_columns]
    path = FileSource.get_uri_for_file_path(repo_path, source.path)
    values = pd.read_parquet(path, columns=[*keys, source.timestamp_field, *features])
    values = values.rename(columns={source.timestamp_field: "_value_time"})
    # Of two values with the same time the one written later counts, in the online store as here.
    return values.astype({"_value_time": _TIME_TYPE}).sort_values("_value_time", kind="stable")


def _join(examples: pd.DataFrame, view: Any, features: list[str], repo_path: Any) -> pd.DataFrame:
    name = view.projection.name_to_use()
    values = read_values(view, features, repo_path)
    values = values.rename(columns={feature: f"{name}__{feature}" for feature in features})
    # Beside the one that pandas joins by and keeps of the left side.
    values[time_column(name)] = values["_value_time"]
    keys = [str(column.name) for column in view.entity_columns]
    # Pandas joins keys of one type alone, and a file without rows, or a question that lacks a key, has another one.
    other = [key for key in keys if examples[key].dtype != values[key].dtype]
    examples, values = examples.astype(dict.fromkeys(other, object)), values.astype(dict.fromkeys(other, object))
    ttl: timedelta | None = view.ttl
    joined = pd.merge_asof(
        examples,
        values,
        left_on=_EVENT_TIME,
        right_on="_value_time",
        by=keys,
        direction="backward",
        tolerance=pd.Timedelta(ttl) if ttl else None,
    )
    return joined.drop(columns="_value_time")
