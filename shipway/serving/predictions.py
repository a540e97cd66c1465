"""The prediction log and the late labels that join it by id: what replay, parity and retraining read."""
# pyarrow ships no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shipway.contract.schema import Schema
from shipway.logs.schemas import LABEL_SCHEMA, PREDICTION_SCHEMA
from shipway.serving.features import ServedFeature
from shipway.serving.segments import SegmentLog, writer_name

__all__ = ["LABEL_SCHEMA", "PREDICTION_SCHEMA", "LabelLog", "Logged", "PredictionLog", "hash_key"]


@dataclass(frozen=True)
class Logged:
    """One prediction as it was served."""

    prediction_id: str
    row: Mapping[str, Any]
    entities: Mapping[str, object]
    features: Sequence[ServedFeature]
    prediction: float


def hash_key(folder: Path) -> bytes:
    """Returns the secret with which personal values in `folder` are hashed, made at first use.

    Without a secret, hashing every tail number or postcode would undo the hash.
    """
    path = folder / ".hash-key"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f".hash-key.{secrets.token_hex(8)}"
    if not path.exists():
        made.touch(mode=0o600)
        made.write_bytes(secrets.token_bytes(32))
        try:
            # A link to an existing name fails: of two slots starting at once, one key wins.
            path.hardlink_to(made)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_bytes()


class PredictionLog:
    """One slot's writer of prediction records, in `<folder>/predictions/<hour>/`.

    Args:
        folder: the model's folder of predictions, shared by its slots.
        schema: says which fields are personal; their values, wherever they stand in a record, are hashed.
        version, slot: who served.
        pid: this process, part of the segment's file name.
        count: called with (written, dropped) after each flush.
    """

    def __init__(
        self, folder: Path, schema: Schema, version: str, slot: str, pid: int, count: Callable[[int, int], None]
    ) -> None:
        self._personal = tuple(field.name for field in schema.fields if field.personal)
        self._key = hash_key(folder)
        self._version, self._slot = version, slot
        self._log = SegmentLog(folder / "predictions", PREDICTION_SCHEMA, writer_name(version, slot, pid), count)

    def append(
        self, event_time: datetime, unit_id: str, served_by: str, logged: Sequence[Logged], rollout: int
    ) -> None:
        """Queues the records of one answer, 0 for no rollout; drops and counts them when the queue is full."""
        self._log.append([self._record(event_time, unit_id, served_by, one) | {"rollout": rollout} for one in logged])

    def close(self) -> None:
        """Writes what waits."""
        self._log.close()

    def _record(self, event_time: datetime, unit_id: str, served_by: str, one: Logged) -> dict[str, Any]:
        personal = {str(one.row[name]) for name in self._personal if one.row[name] is not None}

        def shown(value: object) -> object:
            # A key or a unit id may repeat a personal field under another name.
            return self._hash(value) if str(value) in personal else value

        fields = {name: self._hash(value) if name in self._personal else value for name, value in one.row.items()}
        return {
            "prediction_id": one.prediction_id,
            "event_time": event_time,
            "unit_id": shown(unit_id),
            "entities": _text({name: shown(value) for name, value in one.entities.items()}),
            "fields": _text(fields),
            "features": [feature.record() for feature in one.features],
            "prediction": one.prediction,
            "version": self._version,
            "slot": self._slot,
            "served_by": served_by,
        }

    def _hash(self, value: object) -> str:
        return f"blake2:{hashlib.blake2b(str(value).encode(), key=self._key, digest_size=16).hexdigest()}"


class LabelLog:
    """One slot's writer of late labels, in `<folder>/labels/<hour>/`; see `PredictionLog` for the arguments."""

    def __init__(self, folder: Path, version: str, slot: str, pid: int, count: Callable[[int, int], None]) -> None:
        self._log = SegmentLog(folder / "labels", LABEL_SCHEMA, writer_name(version, slot, pid), count)

    def append(self, labels: Sequence[Mapping[str, Any]]) -> bool:
        """Queues labels and returns whether there was room; the caller tells the client to come again."""
        return self._log.append([dict(label) for label in labels])

    def close(self) -> None:
        """Writes what waits."""
        self._log.close()


def _text(content: Mapping[str, object]) -> str:
    return json.dumps(content, sort_keys=True, default=str)
