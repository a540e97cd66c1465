"""The Open Inference Protocol, version 2: tensors in, tensors out, by the same schema and rules as `/predict`."""

from collections.abc import Sequence
from typing import Any, cast

from shipway.contract.schema import FieldKind, FieldSpec, Schema, Violation
from shipway.serving.requests import BODY, Rejected

__all__ = ["metadata", "response", "rows_of"]

# Field kind -> the tensor types accepted for it, the first of them named in the metadata.
_DATATYPES: dict[FieldKind, tuple[str, ...]] = {
    FieldKind.NUMBER: ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8"),
    FieldKind.INTEGER: ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"),
    FieldKind.VECTOR: ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8"),
    FieldKind.CATEGORY: ("BYTES",),
    FieldKind.TEXT: ("BYTES",),
    FieldKind.TIMESTAMP: ("BYTES",),
}


def metadata(model: str, version: str, schema: Schema) -> dict[str, Any]:
    """Returns the model's metadata: one input tensor a field, one output."""
    inputs = [
        {"name": field.name, "datatype": _DATATYPES[field.kind][0], "shape": [-1, _width(field)]}
        for field in schema.fields
    ]
    return {
        "name": model,
        "versions": [version],
        "platform": "shipway",
        "inputs": inputs,
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
    }


def rows_of(document: dict[str, Any], schema: Schema) -> list[dict[str, Any]]:
    """Returns the rows in an inference request; their values are left for the schema to judge.

    Raises:
        Rejected: when the tensors do not form rows.
    """
    inputs = _list(document.get("inputs"))
    if inputs is None or not all(isinstance(one, dict) for one in inputs):
        raise _rejected("inputs", "type", _short(document.get("inputs")), "a list of tensors")
    fields = {field.name: field for field in schema.fields}
    columns: dict[str, list[Any]] = {}
    for tensor in cast(list[dict[str, Any]], inputs):
        name = tensor.get("name")
        if not isinstance(name, str) or name not in fields:
            raise _rejected("inputs", "unknown", _short(name), f"a tensor named one of {', '.join(fields)}")
        if name in columns:
            raise _rejected(name, "duplicate", "the tensor more than once", "each tensor once")
        columns[name] = _column(tensor, fields[name])
    if missing := [name for name in fields if name not in columns]:
        raise _rejected(missing[0], "missing", "nothing", "a tensor of this name")
    counts = {name: len(column) for name, column in columns.items()}
    if len(set(counts.values())) != 1:
        raise _rejected("inputs", "shape", f"rows by tensor: {counts}", "the same number of rows in each")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(tensor: dict[str, Any], field: FieldSpec) -> list[Any]:
    datatype, shape, data = tensor.get("datatype"), _list(tensor.get("shape")), _list(tensor.get("data"))
    if datatype not in _DATATYPES[field.kind]:
        expected = f"datatype {' or '.join(_DATATYPES[field.kind])}"
        raise _rejected(field.name, "datatype", _short(datatype), expected)
    width = _width(field)
    scalar = field.kind is not FieldKind.VECTOR
    if not shape or type(shape[0]) is not int or shape[1:] not in ([[], [1]] if scalar else [[width]]):
        wanted = "[rows] or [rows, 1]" if scalar else f"[rows, {width}]"
        raise _rejected(field.name, "shape", _short(tensor.get("shape")), wanted)
    if data is None:
        raise _rejected(field.name, "type", _short(tensor.get("data")), "a list of values")
    values = _flatten(data)
    if len(values) != shape[0] * width:
        raise _rejected(field.name, "shape", f"{len(values)} values", f"{shape[0] * width} by its shape")
    if not scalar:
        return [values[start : start + width] for start in range(0, len(values), width)]
    return values


def _flatten(data: Sequence[Any]) -> list[Any]:
    # The protocol allows data nested as its shape says; scalars and vectors need one level, deeper is not a shape here.
    flat: list[Any] = []
    for value in data:
        if isinstance(value, list):
            flat.extend(cast(list[Any], value))
        else:
            flat.append(value)
    return flat


def response(
    model: str, version: str, document: dict[str, Any], predictions: Sequence[float], parameters: dict[str, Any]
) -> dict[str, Any]:
    """Returns the answer to an inference request; the request's own id comes back."""
    answer: dict[str, Any] = {
        "model_name": model,
        "model_version": version,
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [len(predictions)], "data": list(predictions)}],
        "parameters": parameters,
    }
    if isinstance(document.get("id"), str):
        answer["id"] = document["id"]
    return answer


def _list(value: object) -> list[Any] | None:
    return cast(list[Any], value) if isinstance(value, list) else None


def _width(field: FieldSpec) -> int:
    return (field.length or 1) if field.kind is FieldKind.VECTOR else 1


def _rejected(field: str, rule: str, got: str, expected: str) -> Rejected:
    violation = Violation(row=BODY, field=field, rule=rule, got=got, expected=expected)
    return Rejected(f"{field}: got {got}, expected {expected}", [violation])


def _short(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
