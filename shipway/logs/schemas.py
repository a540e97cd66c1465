"""What a record of each log holds: the one place that its writer and all of its readers look at."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa

__all__ = [
    "ADDED_LATER",
    "HASHED",
    "HOUR_FORMAT",
    "KINDS",
    "LABEL_SCHEMA",
    "PREDICTION_SCHEMA",
    "SCHEMAS",
    "Kind",
    "is_hashed",
]

Kind = Literal["predictions", "labels"]

# Of one hour, predictions are read before labels.
KINDS: tuple[Kind, ...] = ("predictions", "labels")

# A record lies in the folder of the hour of its event time, in UTC: the names sort as the hours do.
HOUR_FORMAT = "%Y-%m-%dT%H"

# How a hash begins that stands for a personal value.
HASHED = "blake2:"

_TIME = pa.timestamp("us", tz="UTC")

PREDICTION_SCHEMA: pa.Schema = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("event_time", _TIME),
        ("unit_id", pa.string()),
        # JSON texts: which entities and fields a model has differs by model and version, the log's schema does not.
        ("entities", pa.string()),
        ("fields", pa.string()),
        (
            "features",
            pa.list_(
                pa.struct(
                    [
                        ("name", pa.string()),
                        ("value", pa.float64()),
                        ("status", pa.string()),
                        ("timestamp", _TIME),
                        ("age_seconds", pa.float64()),
                    ]
                )
            ),
        ),
        ("prediction", pa.float64()),
        ("version", pa.string()),
        ("slot", pa.string()),
        ("served_by", pa.string()),
        # Number of the rollout while both slots served; 0 outside one. Segments of older versions lack the column.
        ("rollout", pa.int64()),
    ]
)

LABEL_SCHEMA: pa.Schema = pa.schema(
    [("prediction_id", pa.string()), ("label", pa.float64()), ("event_time", _TIME), ("received_at", _TIME)]
)

SCHEMAS: Mapping[Kind, pa.Schema] = {"predictions": PREDICTION_SCHEMA, "labels": LABEL_SCHEMA}

# Columns that older segments lack, and what is read in their place.
ADDED_LATER: Mapping[str, int] = {"rollout": 0}


def is_hashed(value: object) -> bool:
    """Returns whether a logged value stands for a personal one, or has one inside."""
    return isinstance(value, str) and HASHED in value
