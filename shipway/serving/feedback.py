"""Late labels as `/feedback` takes them: all of a request or none of it."""

import math
import re
from datetime import datetime
from typing import Any, cast

from shipway.contract.schema import Violation
from shipway.serving.requests import BODY, Rejected, kind_of, parse_time

__all__ = ["MAX_LABELS", "labels_of"]

MAX_LABELS = 10_000

_PREDICTION_ID = re.compile(r"[0-9a-f]{32}")


def labels_of(document: dict[str, Any], received: datetime, days: float = math.inf) -> list[dict[str, Any]]:
    """Returns the labels in a document `{"labels": [{"prediction_id", "label", "event_time"}]}`.

    Args:
        document: the parsed body.
        received: when it came; the event time of a label that names none.
        days: how old an event may be; an older one would be kept, and never read.

    Raises:
        Rejected: with every violation.
    """
    items = document.get("labels")
    if set(document) != {"labels"} or not isinstance(items, list) or not 0 < len(cast(list[Any], items)) <= MAX_LABELS:
        keys = ", ".join(sorted(document)[:20])
        violation = Violation(
            row=BODY,
            field="labels",
            rule="type",
            got=f"keys {keys[:100]}",
            expected=f"labels: 1 to {MAX_LABELS} of them",
        )
        raise Rejected("the body is not a list of labels", [violation])
    found, labels = list[Violation](), list[dict[str, Any]]()
    for number, item in enumerate(cast(list[Any], items)):
        label = _label(item, number, received, found)
        if label is not None and (received - label["event_time"]).total_seconds() > days * 86_400:
            expected = f"at most {days:g} days ago: older logs are not read"
            found.append(Violation(row=number, field="event_time", rule="age", got="an older time", expected=expected))
        if label is not None:
            labels.append(label)
    if found:
        raise Rejected(f"{len(found)} violation{'s' if len(found) > 1 else ''} in the labels", found)
    return labels


def _label(item: object, number: int, received: datetime, found: list[Violation]) -> dict[str, Any] | None:
    def violates(field: str, rule: str, expected: str, got: object) -> None:
        found.append(Violation(row=number, field=field, rule=rule, got=kind_of(got), expected=expected))

    content, before = cast(dict[str, Any], item), len(found)
    if not isinstance(item, dict):
        return violates("", "type", "an object", content)
    prediction_id, label, stamp = (content.get(key) for key in ("prediction_id", "label", "event_time"))
    if set(content) - {"prediction_id", "label", "event_time"}:
        violates("", "unknown", "only prediction_id, label and event_time", content)
    if not isinstance(prediction_id, str) or not _PREDICTION_ID.fullmatch(prediction_id):
        violates("prediction_id", "prediction_id", "an id from an answer: 32 hexadecimal digits", prediction_id)
    if isinstance(label, bool) or not isinstance(label, int | float) or label - label != 0:
        violates("label", "type", "a finite number", label)
    event_time = received
    if stamp is not None:
        try:
            event_time = parse_time(stamp if isinstance(stamp, str) else "")
        except ValueError:
            violates("event_time", "timestamp", "an ISO 8601 time with an offset, such as 2013-05-01T12:00:00Z", stamp)
    if len(found) > before:
        return None
    # As a float: Arrow refuses a whole number that no float holds, and with it all that is written beside it.
    value = float(cast(float, label))
    return {"prediction_id": prediction_id, "label": value, "event_time": event_time, "received_at": received}
