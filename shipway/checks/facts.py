"""What the checks of a bundle are given: the version, ways to ask it, and rows to ask about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shipway.checks.relations import Relation
from shipway.contract.model import ModelSpec
from shipway.contract.schema import Schema
from shipway.training.plan import Task

__all__ = ["Facts", "Labelled", "Reply", "Row", "Values", "records"]

Row = Mapping[str, Any]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """Rows whose truth is known.

    Args:
        rows: the request's fields, then the features; nulls of a feature are its default.
        labels: by the same index.
        where: what they are, in words.
    """

    rows: pd.DataFrame
    labels: "pd.Series[Any]"
    where: str


@dataclass(frozen=True)
class Reply:
    """What a slot answered over HTTP.

    Args:
        status: 0 when the connection broke.
        document: the body, empty when it is no JSON object.
    """

    status: int
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """One version of a model, ready to be asked.

    Args:
        spec: the service's model.yaml.
        schema: of the bundle's requests.
        task: what a prediction is.
        request: tests/request.json, None where there is none.
        held_out: what the plan keeps from training.
        frozen: the regression set, None where nothing is frozen.
        ask: rows with their features -> one number a row, by the served class.
        ask_anew: the same of a second instance, loaded from the same files.
        entities: row -> the keys under which its features are read; empty without features.
        measure: labels, answers -> the metrics that the training measures too.
        send: a body -> the reply of the slot's `/predict`, features at their defaults.
        relations: those of the service's own checks.py.
    """

    spec: ModelSpec
    schema: Schema
    task: Task
    request: Mapping[str, Any] | None
    held_out: Labelled
    frozen: Labelled | None
    ask: Callable[[Sequence[Row]], Values]
    ask_anew: Callable[[Sequence[Row]], Values]
    entities: Callable[[Row], Mapping[str, object]]
    measure: Callable[[NDArray[Any], Values], Mapping[str, float]]
    send: Callable[[bytes], Reply]
    relations: Sequence[Relation] = ()

    @property
    def path(self) -> str:
        """The service's model.yaml, as it is called in a message."""
        return f"services/{self.spec.package}/model.yaml"

    def sample(self) -> list[dict[str, Any]]:
        """Returns `checks.sample_rows` of the held-out rows, evenly spread over all of them."""
        rows = self.held_out.rows
        count = min(self.spec.checks.sample_rows, len(rows))
        return records(rows.iloc[np.linspace(0, len(rows) - 1, count).astype(int)])


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows as a slot shows them to the model: plain values, None where there is none."""
    plain = rows.astype(object)
    found: list[dict[str, Any]] = plain.where(plain.notna(), None).to_dict("records")  # pyright: ignore[reportAssignmentType]
    return found
