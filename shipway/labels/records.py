"""Pieces of the logs as what the join and the sample take."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import json
import math
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np

from shipway.labels import sample
from shipway.labels.join import Label, Prediction, key_of
from shipway.labels.sample import Sample
from shipway.logs.schemas import Kind, is_hashed
from shipway.logs.tail import Piece

__all__ = ["Batch", "add", "after", "batch", "columns"]

Batch = list[Prediction] | list[Label]

_PREDICTION = ("prediction_id", "prediction", "version", "rollout", "served_by")
_LABEL = ("prediction_id", "label")
# Beside the id, what the sample takes.
_MORE: Mapping[Kind, Sequence[str]] = {
    "predictions": ("prediction", "event_time", "version", "served_by"),
    "labels": ("label",),
}
_MODEL = "model"


def columns(segments: Sequence[str]) -> Mapping[Kind, Sequence[str]]:
    """Returns what is read of each log; what a request said, only where it makes segments."""
    fields = ("fields",) if segments else ()
    return {"predictions": (*_PREDICTION, "event_time", *fields), "labels": _LABEL}


def batch(piece: Piece) -> Batch:
    """Returns the labels of a piece, or the predictions that a model itself made while both slots served.

    A number that is not there is NaN, which no one counts as right.
    """
    names = _LABEL if piece.kind == "labels" else _PREDICTION
    read = [piece.table.column(name).to_pylist() for name in names]
    if piece.kind == "labels":
        return [Label(one, _number(value)) for one, value in zip(*read, strict=True) if one is not None]
    return [
        Prediction(one, _number(prediction), str(version), rollout)
        for one, prediction, version, rollout, served_by in zip(*read, strict=True)
        if one is not None and rollout and served_by == _MODEL
    ]


def after(piece: Piece, records: int) -> Piece:
    """Returns what of a piece comes after so many records of its segment."""
    begins = piece.records - piece.table.num_rows
    return piece._replace(table=piece.table.slice(max(0, records - begins)))


def add(into: Sample, model: str, piece: Piece, segments: Sequence[str]) -> None:
    """Gives a piece to the sample of `model`: labels, or all predictions that the model itself made."""
    # Plain lists: Arrow's own filter loads forty mebibytes of code for a moment's work.
    read = {name: piece.table.column(name).to_pylist() for name in ("prediction_id", *_MORE[piece.kind])}
    ids = read["prediction_id"]
    keys = np.array([key_of(model, one or "") for one in ids], dtype=np.uint64)
    values = np.array([_number(one) for one in read["label" if piece.kind == "labels" else "prediction"]])
    good = np.isfinite(values) & np.array([one is not None for one in ids], dtype=bool)
    if piece.kind == "labels":
        into.add_labels(keys[good], values[good])
        return
    stamps = zip(read["event_time"], read["served_by"], strict=True)
    good &= np.array([at is not None and served_by == _MODEL for at, served_by in stamps], dtype=bool)
    seconds = np.array([at.timestamp() if at else math.nan for at in read["event_time"]])
    good[good] = into.wants(keys[good], seconds[good])
    fields = compress(piece.table.column("fields").to_pylist(), good) if segments else ()
    said = [_said(text) for text in fields]
    into.add_predictions(
        sample.Batch(
            keys[good],
            values[good],
            seconds[good],
            [str(one) for one in compress(read["version"], good)],
            [[_value(row, name) for row in said] for name in segments],
        )
    )


def _said(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def _value(row: Any, name: str) -> str:
    """Returns what a request said in a field that makes segments; what is no text, or is hashed, makes none."""
    value = row.get(name) if isinstance(row, dict) else None
    return value if isinstance(value, str) and not is_hashed(value) else ""


def _number(value: float | None) -> float:
    return math.nan if value is None else value
