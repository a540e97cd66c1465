"""The files of a service that follow from a CSV: schema.py, inputs.py, train.py and a request."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from shipway.contract.schema import FieldKind
from shipway.scaffold.inferred.decisions import VALIDATION_RATIO, Decided, Inference
from shipway.scaffold.inferred.literals import literal, mapping, nested, of_tuples
from shipway.training.plan import Task

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Place", "answer", "service_files"]

_ESTIMATORS = {
    Task.BINARY: "HistGradientBoostingClassifier",
    Task.MULTICLASS: "HistGradientBoostingClassifier",
    Task.REGRESSION: "HistGradientBoostingRegressor",
}

# As many trees as a small table needs: with several classes each is as many as there are classes.
_ITERATIONS = 150

# A leaf stands for a hundredth of the rows, and never for fewer than twenty or more than two hundred; below so many
# rows trees of eight leaves err less than greater ones.
_LEAVES_A_TABLE, _LEAST_LEAF_ROWS, _MOST_LEAF_ROWS = 100, 20, 200
_SMALL_ROWS, _SMALL_LEAVES, _LEAVES = 2000, 8, 15


@dataclass(frozen=True)
class Place:
    """Where the code is written to.

    Args:
        name: the model's.
        data: the CSV, relative to the service's folder.
        given: the day on which it was given.
        split: which draw decides what validates, where no time does.
    """

    name: str
    data: str
    given: date
    split: int = 0


def service_files(inference: Inference, place: Place) -> dict[str, str]:
    """Returns path in the service -> content, as a formatter would leave it."""
    common = {
        "answer": answer(inference),
        "class_name": "".join(word.title() for word in place.name.split("-")),
        "file": place.data.rpartition("/")[2],
        "name": place.name,
        "package": place.name.replace("-", "_"),
        "task": inference.target.task.value,
    }
    categories = {one.field.name: one.categories for one in inference.fields if one.categories}
    times = tuple(one.field.name for one in inference.fields if one.field.kind is FieldKind.TIMESTAMP)
    schema = {
        "categories": of_tuples("CATEGORIES", categories) if categories else [],
        "schema": nested("SCHEMA", [_arguments(one) for one in inference.fields]),
    }
    inputs = {"categories": bool(categories), "times": _tuple(times)}
    request = {"rows": [inference.request], "unit_id": "example"}
    files = {
        "schema.py": _render("schema.py", common | schema),
        "inputs.py": _render("inputs.py", common | inputs),
        "train.py": _render("train.py", common | _training(inference, place)),
        "tests/request.json": json.dumps(request, indent=2, ensure_ascii=False) + "\n",
    }
    # The template's own answers a probability or a number.
    if inference.target.task is Task.MULTICLASS:
        files["service.py"] = _render("service.py", common)
    return files


def answer(inference: Inference) -> str:
    """Returns what a prediction is, in words that hold no text of the CSV."""
    return {
        Task.BINARY: "the probability of the label 1",
        Task.MULTICLASS: "the class, by its number",
        Task.REGRESSION: "the number that is expected",
    }[inference.target.task]


def _arguments(decided: Decided) -> dict[str, str]:
    field = decided.field
    found = {"name": literal(field.name), "kind": f"FieldKind.{field.kind.name}"}
    if field.values:
        found["values"] = f"CATEGORIES[{literal(field.name)}]"
    for key in ("minimum", "maximum"):
        value = getattr(field, key)
        if value is not None:
            found[key] = _number(value)
    if field.length is not None:
        found["length"] = str(field.length)
    if field.nullable:
        found["nullable"] = "True"
    if field.description:
        found["description"] = literal(field.description)
    if field.example is not None:
        found["example"] = literal(field.example)
    return found


def _number(value: float) -> str:
    """Returns a bound as a person would write it."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _tuple(names: tuple[str, ...]) -> str:
    """Returns a tuple's source, empty for none."""
    shown = ", ".join(literal(name) for name in names)
    return f"({shown},)" if len(names) == 1 else f"({shown})" if names else ""


def _training(inference: Inference, place: Place) -> dict[str, object]:
    target = inference.target
    trained = int(inference.rows * (1 - VALIDATION_RATIO))
    return {
        "estimator": _ESTIMATORS[target.task],
        "given": place.given,
        "iterations": _ITERATIONS,
        "labels": mapping("_CLASSES", target.labels) if target.labels else [],
        "max_leaves": _SMALL_LEAVES if trained < _SMALL_ROWS else _LEAVES,
        "min_leaf_rows": max(_LEAST_LEAF_ROWS, min(_MOST_LEAF_ROWS, trained // _LEAVES_A_TABLE)),
        "renamed": mapping("_RENAMED: dict[str, str]", inference.renamed),
        "split": place.split,
        "target": literal(target.column),
        "validation_ratio": VALIDATION_RATIO,
        "time": literal(inference.time) if inference.time else "",
        "where": [f"_DATA = Path(__file__).resolve().parent / {literal(place.data)}"],
    }


def _render(name: str, values: Mapping[str, object]) -> str:
    return _environment().get_template(f"{name}.jinja").render(**values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("shipway.scaffold.inferred"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is Python, never HTML
    )
