"""The Open Inference Protocol, version 2: tensors in, tensors out, by the same schema and rules as `/predict`."""

from collections.abc import Sequence
from typing import Any, cast

from shipway.contract.schema import FieldKind, FieldSpec, Schema, Violation
from shipway.serving.requests import BODY, Rejected, kind_of

__all__ = ["OUTPUT", "metadata", "response", "rows_of", "server_metadata"]

# The one tensor that comes back.
OUTPUT = "prediction"

_REQUEST_KEYS = frozenset({"id", "parameters", "inputs", "outputs"})
_TENSOR_KEYS = frozenset({"name", "shape", "datatype", "parameters", "data"})

_FLOATS = ("FP64", "FP32", "FP16")
_INTEGERS = ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")

# Field kind -> the tensor types accepted for it, the first of them named in the metadata.
_DATATYPES: dict[FieldKind, tuple[str, ...]] = {
    FieldKind.NUMBER: (*_FLOATS, *_INTEGERS),
    FieldKind.INTEGER: _INTEGERS,
    FieldKind.VECTOR: (*_FLOATS, *_INTEGERS),
    FieldKind.CATEGORY: ("BYTES",),
    FieldKind.TEXT: ("BYTES",),
    FieldKind.TIMESTAMP: ("BYTES",),
    FieldKind.IMAGE: ("BYTES",),
}


def server_metadata(release: str) -> dict[str, Any]:
    """Returns what the server says of itself; it knows no extension of the protocol."""
    return {"name": "shipway", "version": release, "extensions": []}


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
        "outputs": [{"name": OUTPUT, "datatype": "FP64", "shape": [-1]}],
    }


def rows_of(document: dict[str, Any], schema: Schema) -> list[dict[str, Any]]:
    """Returns the rows in an inference request; their values are left for the schema to judge.

    Raises:
        Rejected: when the tensors do not form rows.
    """
    _check_envelope(document)
    inputs = _list(document.get("inputs"))
    if inputs is None or not all(isinstance(one, dict) for one in inputs):
        raise _rejected("inputs", "type", _kind(document, "inputs"), "a list of tensors")
    fields = {field.name: field for field in schema.fields}
    columns: dict[str, list[Any]] = {}
    for tensor in cast(list[dict[str, Any]], inputs):
        name = tensor.get("name")
        if not isinstance(name, str) or name not in fields:
            got = f"a tensor named {name[:60]!r}" if isinstance(name, str) else _kind(tensor, "name")
            raise _rejected("inputs", "unknown", got, f"a tensor named one of {', '.join(fields)}")
        if name in columns:
            raise _rejected(name, "duplicate", "the tensor more than once", "each tensor once")
        columns[name] = _column(tensor, fields[name])
    if missing := [name for name in fields if name not in columns]:
        raise _rejected(missing[0], "missing", "nothing", "a tensor of this name")
    counts = {name: len(column) for name, column in columns.items()}
    if len(set(counts.values())) != 1:
        raise _rejected("inputs", "shape", f"rows by tensor: {counts}", "the same number of rows in each")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _check_envelope(document: dict[str, Any]) -> None:
    if unknown := sorted(set(document) - _REQUEST_KEYS):
        raise _rejected(unknown[0][:100], "unknown", "an extra key", f"only {', '.join(sorted(_REQUEST_KEYS))}")
    for key in ("id", "parameters"):
        kind, words = (str, "text") if key == "id" else (dict, "an object")
        if key in document and not isinstance(document[key], kind):
            raise _rejected(key, "type", _kind(document, key), words)
    if "outputs" not in document:
        return
    outputs = _list(document["outputs"])
    if outputs is None or not all(isinstance(one, dict) for one in outputs):
        raise _rejected("outputs", "type", _kind(document, "outputs"), "a list of outputs")
    if [one.get("name") for one in cast(list[dict[str, Any]], outputs)] not in ([], [OUTPUT]):
        raise _rejected("outputs", "unknown", "other outputs", f"the one output {OUTPUT}")


def _column(tensor: dict[str, Any], field: FieldSpec) -> list[Any]:
    if unknown := sorted(set(tensor) - _TENSOR_KEYS):
        raise _rejected(
            field.name, "unknown", f"the key {unknown[0][:60]!r}", f"only {', '.join(sorted(_TENSOR_KEYS))}"
        )
    datatype, shape, data = tensor.get("datatype"), _list(tensor.get("shape")), _list(tensor.get("data"))
    if datatype not in _DATATYPES[field.kind]:
        expected = f"datatype {' or '.join(_DATATYPES[field.kind])}"
        got = repr(datatype[:20]) if isinstance(datatype, str) else _kind(tensor, "datatype")
        raise _rejected(field.name, "datatype", got, expected)
    width = _width(field)
    scalar = field.kind is not FieldKind.VECTOR
    if not shape or type(shape[0]) is not int or shape[1:] not in ([[], [1]] if scalar else [[width]]):
        wanted = "[rows] or [rows, 1]" if scalar else f"[rows, {width}]"
        raise _rejected(field.name, "shape", f"another shape ({_kind(tensor, 'shape')})", wanted)
    if data is None:
        raise _rejected(field.name, "type", _kind(tensor, "data"), "a list of values")
    values = _flatten(data)
    if len(values) != shape[0] * width:
        raise _rejected(field.name, "shape", f"{len(values)} values", f"{shape[0] * width} by its shape")
    if datatype in _INTEGERS and any(isinstance(value, float) for value in values):
        raise _rejected(
            field.name, "datatype", "a number that is not whole", f"whole numbers, as {datatype} holds them"
        )
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
        "outputs": [{"name": OUTPUT, "datatype": "FP64", "shape": [len(predictions)], "data": list(predictions)}],
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


def _kind(content: dict[str, Any], key: str) -> str:
    return kind_of(content[key]) if key in content else "nothing"
