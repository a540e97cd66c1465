"""The prediction log and the late labels that join it by id: what replay, parity and retraining read."""
# pyarrow ships no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from shipway.contract.schema import Schema
from shipway.logs.schemas import LABEL_SCHEMA, PREDICTION_SCHEMA, SCHEMAS, Kind
from shipway.logs.sinks import ObjectSink
from shipway.objects.storage import ObjectStorage
from shipway.serving.described import Described
from shipway.serving.features import ServedFeature
from shipway.serving.personal import Redaction, hash_key
from shipway.serving.segments import SegmentLog, writer_name

__all__ = ["LABEL_SCHEMA", "PREDICTION_SCHEMA", "LabelLog", "Logged", "PredictionLog"]

# A store is paid by the request, and a segment is sent whole each time.
_STORE_SECONDS = 5.0


class Logged(NamedTuple):
    """One prediction as it was served."""

    prediction_id: str
    row: Mapping[str, Any]
    entities: Mapping[str, object]
    features: Sequence[ServedFeature]
    prediction: float


class PredictionLog:
    """One slot's writer of prediction records, in `<folder>/predictions/<hour>/`.

    Args:
        folder: the model's folder of predictions, shared by its slots.
        schema: says which fields are personal; their values, wherever they stand in a record, are hashed.
        version, slot: who served.
        pid: this process, part of the segment's file name.
        count: called with (written, dropped) after each flush.
        store: the model's folder in an object store, where the records go instead; `folder` then holds the secret of
            the hash alone.
        described: what is kept beside the records, closed with them.
    """

    def __init__(
        self,
        folder: Path,
        schema: Schema,
        version: str,
        slot: str,
        pid: int,
        count: Callable[[int, int], None],
        store: ObjectStorage | None = None,
        described: Described | None = None,
    ) -> None:
        self._described = described
        self._redaction = Redaction(schema, hash_key(folder))
        self._version, self._slot = version, slot
        self._log = _log(folder, "predictions", writer_name(version, slot, pid), count, store)

    def append(
        self, event_time: datetime, unit_id: str, served_by: str, logged: Sequence[Logged], rollout: int
    ) -> None:
        """Queues the records of one answer, 0 for no rollout; drops and counts them when the queue is full."""
        self._log.append([self._record(event_time, unit_id, served_by, one, rollout) for one in logged])

    def close(self) -> None:
        """Writes what waits."""
        self._log.close()
        if self._described:
            self._described.close()

    def _record(self, event_time: datetime, unit_id: str, served_by: str, one: Logged, rollout: int) -> dict[str, Any]:
        redaction, values = self._redaction, self._redaction.values(one.row)
        return {
            "prediction_id": one.prediction_id,
            "event_time": event_time,
            "unit_id": redaction.shown(unit_id, values),
            "entities": _text({name: redaction.shown(value, values) for name, value in one.entities.items()})
            if one.entities
            else "{}",
            "fields": _text(redaction.fields(one.row, values)),
            "features": [feature.record() for feature in one.features],
            "prediction": one.prediction,
            "version": self._version,
            "slot": self._slot,
            "served_by": served_by,
            "rollout": rollout,
        }


class LabelLog:
    """One slot's writer of late labels, in `<folder>/labels/<hour>/`; see `PredictionLog` for the arguments."""

    def __init__(
        self,
        folder: Path,
        version: str,
        slot: str,
        pid: int,
        count: Callable[[int, int], None],
        store: ObjectStorage | None = None,
    ) -> None:
        self._log = _log(folder, "labels", writer_name(version, slot, pid), count, store)

    def append(self, labels: Sequence[Mapping[str, Any]]) -> bool:
        """Queues labels and returns whether there was room; the caller tells the client to come again."""
        return self._log.append([dict(label) for label in labels])

    def close(self) -> None:
        """Writes what waits."""
        self._log.close()


def _log(
    folder: Path, kind: Kind, writer: str, count: Callable[[int, int], None], store: ObjectStorage | None
) -> SegmentLog:
    if store is None:
        return SegmentLog(folder / kind, SCHEMAS[kind], writer, count)
    return SegmentLog(ObjectSink(store, kind), SCHEMAS[kind], writer, count, flush_seconds=_STORE_SECONDS)


# Made once: json.dumps with arguments makes one for each record.
_text = json.JSONEncoder(sort_keys=True, default=str).encode
