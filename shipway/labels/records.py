"""Pieces of the logs as the records that the join takes."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import math
from collections.abc import Mapping, Sequence

from shipway.labels.join import Label, Prediction
from shipway.logs.schemas import Kind
from shipway.logs.tail import Piece

__all__ = ["COLUMNS", "Batch", "batch"]

Batch = list[Prediction] | list[Label]

COLUMNS: Mapping[Kind, Sequence[str]] = {
    "predictions": ("prediction_id", "prediction", "version", "rollout", "served_by"),
    "labels": ("prediction_id", "label"),
}

_MODEL = "model"


def batch(piece: Piece) -> Batch:
    """Returns the labels of a piece, or the predictions that a model itself made while both slots served.

    A number that is not there is NaN, which no one counts as right.
    """
    columns = [piece.table.column(name).to_pylist() for name in COLUMNS[piece.kind]]
    if piece.kind == "labels":
        return [Label(one, _number(value)) for one, value in zip(*columns, strict=True) if one is not None]
    return [
        Prediction(one, _number(prediction), str(version), rollout)
        for one, prediction, version, rollout, served_by in zip(*columns, strict=True)
        if one is not None and rollout and served_by == _MODEL
    ]


def _number(value: float | None) -> float:
    return math.nan if value is None else value
