"""What a model is asked first and what it may answer: an example row, and the check of every output."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.contract.png import blank_png
from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["checked", "example_row"]


def example_row(schema: Schema) -> dict[str, Any]:
    """Returns a row that fits `schema`: each field's example, or the least special value its rules allow."""
    return {field.name: field.example if field.example is not None else _plain(field) for field in schema.fields}


def checked(raw: object, count: int) -> tuple[NDArray[np.float64] | None, str]:
    """Returns a model's output as `count` finite numbers, or None and what is wrong with it."""
    try:
        values = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        return None, f"the model returned {type(raw).__name__}, expected {count} numbers"
    if values.shape != (count,):
        return None, f"the model returned shape {values.shape}, expected ({count},)"
    # Of one number, which is what most requests ask for, numpy takes ten times as long to say so.
    if not (math.isfinite(values[0]) if count == 1 else np.isfinite(values).all()):
        return None, "the model returned a number that is not finite"
    return values, ""


def _plain(field: FieldSpec) -> Any:
    if field.nullable:
        return None
    low = field.minimum if field.minimum is not None else min(0.0, field.maximum or 0.0)
    match field.kind:
        case FieldKind.NUMBER:
            return float(low)
        case FieldKind.INTEGER:
            return int(low)
        case FieldKind.VECTOR:
            return [float(low)] * (field.length or 1)
        case FieldKind.IMAGE:
            return blank_png(field.shape or (1, 1, 1))
        case FieldKind.TIMESTAMP:
            return datetime(2000, 1, 1, tzinfo=UTC).isoformat()
        case _:
            return field.values[0] if field.values else ""
