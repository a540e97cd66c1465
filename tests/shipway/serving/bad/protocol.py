"""Requests of the Open Inference Protocol whose tensors form no rows, and what they may not hold beside them."""

import json
from typing import Any

from tests.shipway.serving.bad.kinds import BIG, GOOD, JSON_WORDS, Kind
from tests.shipway.serving.doubles import ROW

__all__ = ["PROTOCOL", "tensors"]

INFER = "/v2/models/stub/infer"


def tensors(**changes: Any) -> list[dict[str, Any]]:
    """Returns two good rows as tensors, with changes of whole tensors by name."""
    columns: dict[str, dict[str, Any]] = {
        "amount": {"datatype": "FP64", "shape": [2], "data": [2.5, 4]},
        "count": {"datatype": "INT64", "shape": [2, 1], "data": [[3], [3]]},
        "colour": {"datatype": "BYTES", "shape": [2], "data": ["red", "green"]},
        "who": {"datatype": "BYTES", "shape": [2], "data": [None, "N1"]},
        "when": {"datatype": "BYTES", "shape": [2], "data": [ROW["when"]] * 2},
        "pixels": {"datatype": "FP32", "shape": [2, 3], "data": [0, 1, 2, 3, 4, 5]},
    }
    return [{"name": name, **column, **changes.get(name, {})} for name, column in columns.items()]


def kind(document: object, field: str, rule: str, expected: str, row: int = -1) -> Kind:
    """Returns a kind of inference request."""
    error = "of the schema" if row >= 0 or rule == "length" else f"{field}: got "
    return Kind(json.dumps(document).encode(), field, rule, expected, row, error=error, path=INFER)


def wrong(name: str, rule: str, expected: str, *, row: int = -1, **changes: Any) -> Kind:
    """Returns a kind with one wrong tensor."""
    return kind({"inputs": tensors(**{name: changes})}, name, rule, expected, row)


def lacking(key: str) -> dict[str, Any]:
    """Returns a request whose first tensor lacks a key."""
    first, *rest = tensors()
    return {"inputs": [{name: value for name, value in first.items() if name != key}, *rest]}


LIST = "a list of tensors"
NAMED = "a tensor named one of amount, count"
FLOATS = "datatype FP64 or FP32 or FP16"
DOCUMENT = {"inputs": tensors()}

PROTOCOL: dict[str, Kind] = {
    "infer: empty": Kind(b"", "", "json", JSON_WORDS, path=INFER),
    "infer: a list": Kind(b"[]", "", "type", JSON_WORDS, path=INFER),
    "infer: deep": Kind(b'{"inputs": ' + b"[" * 20_000, "", "depth", JSON_WORDS, path=INFER),
    "infer: over the limit": Kind(b" " * (BIG + 1), "", "size", str(BIG), status=413, error="larger", path=INFER),
    "infer: rows": Kind(GOOD, "rows", "unknown", "only id, inputs, outputs, parameters", path=INFER),
    "infer: nothing": kind({}, "inputs", "type", LIST),
    "infer: inputs null": kind({"inputs": None}, "inputs", "type", LIST),
    "infer: inputs an object": kind({"inputs": {}}, "inputs", "type", LIST),
    "infer: inputs a text": kind({"inputs": "all"}, "inputs", "type", LIST),
    "infer: inputs of numbers": kind({"inputs": [1]}, "inputs", "type", LIST),
    "infer: inputs of null": kind({"inputs": [None]}, "inputs", "type", LIST),
    "infer: no tensor": kind({"inputs": []}, "amount", "missing", "a tensor of this name"),
    "infer: a tensor too few": kind({"inputs": tensors()[1:]}, "amount", "missing", "a tensor of this name"),
    "infer: every tensor twice": kind({"inputs": tensors() * 2}, "amount", "duplicate", "each tensor once"),
    "infer: a tensor too many": kind({"inputs": [*tensors(), {"name": "more"}]}, "inputs", "unknown", NAMED),
    "infer: instances": kind({"instances": [ROW]}, "instances", "unknown", "only id, inputs"),
    "infer: id a number": kind({"id": 42, **DOCUMENT}, "id", "type", "text"),
    "infer: id null": kind({"id": None, **DOCUMENT}, "id", "type", "text"),
    "infer: parameters a list": kind({"parameters": [], **DOCUMENT}, "parameters", "type", "an object"),
    "infer: outputs an object": kind({"outputs": {}, **DOCUMENT}, "outputs", "type", "a list of outputs"),
    "infer: outputs of text": kind({"outputs": ["prediction"], **DOCUMENT}, "outputs", "type", "a list of outputs"),
    "infer: another output": kind(
        {"outputs": [{"name": "probability"}], **DOCUMENT}, "outputs", "unknown", "the one output prediction"
    ),
    "infer: the output twice": kind(
        {"outputs": [{"name": "prediction"}] * 2, **DOCUMENT}, "outputs", "unknown", "the one output prediction"
    ),
    "infer: an output without a name": kind({"outputs": [{}], **DOCUMENT}, "outputs", "unknown", "the one output"),
    "infer: a tensor without a name": kind(lacking("name"), "inputs", "unknown", NAMED),
    "infer: a tensor without a datatype": kind(lacking("datatype"), "amount", "datatype", FLOATS),
    "infer: a tensor without a shape": kind(lacking("shape"), "amount", "shape", "[rows] or [rows, 1]"),
    "infer: a tensor without data": kind(lacking("data"), "amount", "type", "a list of values"),
    "infer: a name in capitals": kind({"inputs": tensors(amount={"name": "Amount"})}, "inputs", "unknown", NAMED),
    "infer: a name a number": kind({"inputs": tensors(amount={"name": 1})}, "inputs", "unknown", NAMED),
    "infer: a name a list": kind({"inputs": tensors(amount={"name": []})}, "inputs", "unknown", NAMED),
    "infer: a name very long": kind({"inputs": tensors(amount={"name": "x" * 9999})}, "inputs", "unknown", NAMED),
    "infer: a key a tensor has not": wrong("amount", "unknown", "only data, datatype", contents={"fp64": [1, 2]}),
    **{
        f"infer: amount as {datatype!r}": wrong("amount", "datatype", FLOATS, datatype=datatype)
        for datatype in ("BYTES", "BOOL", "fp64", "FP128", "float64", "BF16", "", None, 64, ["FP64"])
    },
    **{
        f"infer: count as {datatype!r}": wrong("count", "datatype", "datatype INT64 or INT32", datatype=datatype)
        for datatype in ("FP64", "BYTES", "BOOL")
    },
    **{
        f"infer: colour as {datatype!r}": wrong("colour", "datatype", "datatype BYTES", datatype=datatype)
        for datatype in ("STRING", "FP64", "UINT8")
    },
    "infer: fractions as INT64": wrong("amount", "datatype", "whole numbers, as INT64", datatype="INT64"),
    "infer: NaN as INT64": Kind(
        json.dumps({"inputs": tensors(amount={"datatype": "INT64", "data": ["@", 1]})}).replace('"@"', "NaN").encode(),
        *("amount", "datatype", "whole numbers, as INT64"),
        path=INFER,
    ),
    **{
        f"infer: shape {shape!r}": wrong("amount", "shape", "[rows] or [rows, 1]", shape=shape)
        for shape in ([], [[2]], "2", 2, None, {}, ["2"], [2.0], [True], [None], [2, 2], [2, 1, 1], [1, 2], [2, 0])
    },
    **{
        f"infer: shape {shape!r} of two values": wrong("amount", "shape", "by its shape", shape=shape)
        for shape in ([3], [1], [0], [-2], [10**15], [-(10**16)])
    },
    **{
        f"infer: pixels of shape {shape!r}": wrong("pixels", "shape", "[rows, 3]", shape=shape)
        for shape in ([6], [2, 4], [3, 2], [2, 3, 1], [2], [2, -3])
    },
    "infer: pixels of five values": wrong("pixels", "shape", "6 by its shape", data=[0] * 5),
    "infer: pixels too deep": wrong("pixels", "type", "a number", row=0, data=[[[0], [1], [2]], [[3], [4], [5]]]),
    "infer: another number of rows": wrong("amount", "shape", "by its shape", data=[1]),
    "infer: rows of no one number": kind(
        {"inputs": tensors(amount={"shape": [1], "data": [1]})}, "inputs", "shape", "the same number of rows in each"
    ),
    "infer: no rows": kind(
        {"inputs": [{**one, "shape": [0, *one["shape"][1:]], "data": []} for one in tensors()]},
        *("rows", "length", "1 to 1000 rows"),
    ),
    "infer: data a number": wrong("amount", "type", "a list of values", data=1),
    "infer: data a text": wrong("who", "type", "a list of values", data="N14228"),
    "infer: data null": wrong("amount", "type", "a list of values", data=None),
    "infer: data an object": wrong("amount", "type", "a list of values", data={}),
    "infer: a text among numbers": wrong("amount", "type", "a number", row=1, data=[1, "2"]),
    "infer: true among numbers": wrong("amount", "type", "a number", row=0, data=[True, 2]),
    "infer: null among numbers": wrong("amount", "null", "a value", row=1, data=[1, None]),
    "infer: out of range": wrong("amount", "range", "a value from 0.0 to 100.0", row=1, data=[1, 101]),
    "infer: an unknown category": wrong("colour", "category", "one of red, green", row=0, data=["blue", "red"]),
    "infer: text too long": wrong("who", "length", "at most 20 characters", row=1, data=[None, "x" * 21]),
    "infer: a time without offset": wrong("when", "timezone", "a time with an", row=0, data=["2013-05-01T12:00"] * 2),
    "infer: a pixel out of range": wrong("pixels", "range", "to 16.0", row=1, data=[0, 1, 2, 3, 4, 17]),
    "infer: binary tensors": Kind(
        *(json.dumps(DOCUMENT).encode(), "inference-header-content-length", "encoding", "tensors as JSON"),
        status=415,
        path=INFER,
        headers=[("inference-header-content-length", "10")],
    ),
}
