"""The service in OpenAPI 3.1, made from the model's schema alone: for clients, for people, and for hostile testing."""

from typing import Any

from shipway.contract.metrics import UNIT_HEADER
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.contract.serving import FallbackSource
from shipway.serving.feedback import MAX_LABELS
from shipway.serving.requests import MAX_UNIT_ID_CHARACTERS, most_rows

__all__ = ["open_api"]

# Longer whole numbers are read as floats, which no integer field takes.
_MOST_INTEGER = 10**18 - 1

_JSON_TYPES = {
    FieldKind.NUMBER: "number",
    FieldKind.INTEGER: "integer",
    FieldKind.CATEGORY: "string",
    FieldKind.TEXT: "string",
    FieldKind.TIMESTAMP: "string",
    FieldKind.VECTOR: "array",
    FieldKind.IMAGE: "string",
}


def open_api(model: str, version: str, schema: Schema) -> dict[str, Any]:
    """Returns the OpenAPI document of one version of a model."""
    return {
        "openapi": "3.1.0",
        "info": {"title": model, "version": version},
        "paths": {
            "/predict": {"post": _predict()},
            "/feedback": {"post": _feedback()},
            "/v2": {"get": _get("What this server is.", "server_metadata")},
            "/v2/health/live": {"get": _get("Whether the process answers.", "live")},
            "/v2/health/ready": {"get": _get("Whether it takes requests.", "ready", unready=True)},
            f"/v2/models/{model}": {"get": _get("Tensors of the model.", "model_metadata")},
            f"/v2/models/{model}/ready": {"get": _get("Whether it takes requests.", "model_ready", unready=True)},
            f"/v2/models/{model}/infer": {"post": _infer()},
        },
        "components": {"schemas": _schemas(schema)},
    }


def _predict() -> dict[str, Any]:
    header = {
        "name": UNIT_HEADER,
        "in": "header",
        "required": False,
        "description": "Whom the request is about, in printable characters. A unit_id in the body repeats it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_UNIT_ID_CHARACTERS},
    }
    answers = {
        "200": _json("One prediction and one id a row.", "Predictions"),
        **_refusals(),
        "429": _json("As many requests as the model takes are in it; `retry-after` says when to come again.", "Error"),
        "503": _json("The model gave no answer and nobody stands in for it.", "Unanswered"),
    }
    return {
        "operationId": "predict",
        "summary": "Predictions for rows.",
        "parameters": [header],
        "requestBody": _body("Rows"),
        "responses": answers,
    }


def _feedback() -> dict[str, Any]:
    answers = {"200": _json("All of them are kept.", "Accepted"), **_refusals(), "429": _json("Come again.", "Error")}
    return {
        "operationId": "feedback",
        "summary": "What turned out to be true, by prediction id.",
        "requestBody": _body("Labels"),
        "responses": answers,
    }


def _infer() -> dict[str, Any]:
    answers = {
        "200": _json("The tensor of predictions.", "Inferred"),
        **_refusals(),
        "429": _json("Come again.", "Error"),
        "503": _json("No prediction.", "Unanswered"),
    }
    return {
        "operationId": "infer",
        "summary": "Predictions for tensors, by the Open Inference Protocol: one input a field of a row.",
        "requestBody": _body("Inference"),
        "responses": answers,
    }


def _get(summary: str, name: str, *, unready: bool = False) -> dict[str, Any]:
    answers = {"200": {"description": summary, "content": {"application/json": {"schema": {"type": "object"}}}}}
    if unready:
        answers["503"] = {"description": "Not now.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {"operationId": name, "summary": summary, "responses": answers}


def _refusals() -> dict[str, Any]:
    return {
        "400": _json("What is wrong with the request, all of it.", "Rejected"),
        "413": _json("The body is too large.", "Rejected"),
        "415": _json("The body is encoded.", "Rejected"),
    }


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(name)}}}


def _json(description: str, name: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(name)}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def _schemas(schema: Schema) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    identity = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    number = {"type": "number"}
    unit = {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_UNIT_ID_CHARACTERS}
    violation = _object({"row": {"type": "integer"}, **dict.fromkeys(("field", "rule", "got", "expected"), text)})
    label = _object(
        {"prediction_id": identity, "label": number},
        {"event_time": {"type": ["string", "null"], "format": "date-time"}},
    )
    sources = ["model", *(str(source) for source in FallbackSource)]
    return {
        "Row": _object({field.name: _field(field) for field in schema.fields}),
        "Rows": _object(
            {"rows": {"type": "array", "minItems": 1, "maxItems": most_rows(schema), "items": _ref("Row")}},
            {"unit_id": unit},
        ),
        "Predictions": _object(
            {
                "predictions": {"type": "array", "items": {"type": "number"}},
                "prediction_ids": {"type": "array", "items": identity},
                "source": {"enum": sources},
            },
            {"age_seconds": {"type": "number", "minimum": 0}},
        ),
        "Labels": _object({"labels": {"type": "array", "minItems": 1, "maxItems": MAX_LABELS, "items": label}}),
        "Accepted": _object({"accepted": {"type": "integer", "minimum": 1}}),
        "Inference": _inference(schema),
        "Inferred": _object(
            {"model_name": text, "model_version": text, "outputs": {"type": "array", "items": {"type": "object"}}},
            {"id": text, "parameters": {"type": "object"}},
        ),
        "Error": _object({"error": text}),
        "Unanswered": _object({"error": text}, {"request_id": identity}),
        "Rejected": _object(
            {"error": text, "violations": {"type": "array", "items": violation}},
            {"violations_left_out": {"type": "integer", "minimum": 1}},
        ),
    }


def _inference(schema: Schema) -> dict[str, Any]:
    # How shape and data belong together is more than a schema can say; the server says it.
    tensor = _object(
        {
            "name": {"enum": list(schema.names)},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "data": {"type": "array"},
        },
        {"parameters": {"type": "object"}},
    )
    output = _object({"name": {"const": "prediction"}}, {"parameters": {"type": "object"}})
    return _object(
        {"inputs": {"type": "array", "items": tensor, "minItems": len(schema.fields), "maxItems": len(schema.fields)}},
        {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "maxItems": 1, "items": output},
        },
    )


def _field(field: FieldSpec) -> dict[str, Any]:
    kind = _JSON_TYPES[field.kind]
    found: dict[str, Any] = {"type": [kind, "null"] if field.nullable else kind}
    if field.description:
        found["description"] = field.description
    if field.example is not None:
        found["examples"] = [field.example]
    match field.kind:
        case FieldKind.NUMBER:
            found |= _bounds(field)
        case FieldKind.INTEGER:
            # JSON Schema takes 3.0 for an integer, a slot does not.
            found |= {**_bounds(field), "description": f"{field.description} (written without a point)".strip()}
        case FieldKind.VECTOR:
            items = {"type": "number", **_bounds(field)}
            found |= {"items": items, "minItems": field.length, "maxItems": field.length}
        case FieldKind.TIMESTAMP:
            found |= {"format": "date-time"}
        case FieldKind.IMAGE:
            found |= {"contentEncoding": "base64", "contentMediaType": "image/png"}
        case _:
            if field.values:
                found["enum"] = [*field.values, *([None] if field.nullable else [])]
    if field.length is not None and kind == "string":
        found["maxLength"] = field.length
    return found


def _bounds(field: FieldSpec) -> dict[str, float]:
    most = _MOST_INTEGER if field.kind is FieldKind.INTEGER else None
    bounds = {
        "minimum": (None if most is None else -most) if field.minimum is None else field.minimum,
        "maximum": most if field.maximum is None else field.maximum,
    }
    return {name: value for name, value in bounds.items() if value is not None}
