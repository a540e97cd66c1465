"""A model that somebody else trained: its sample instead of training data, and its file taken over as it is."""

import hashlib
import shutil
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pandas as pd

from shipway.artifacts.answers import Artifact
from shipway.contract.errors import SpecError
from shipway.contract.schema import FieldKind, Schema
from shipway.training.plan import TrainingData

__all__ = ["LABEL", "UNIT", "keep_artifact", "load_sample"]

# The columns of a sample beside the schema's fields. Without ids the rows' numbers are the units.
LABEL, UNIT = "label", "unit_id"

_TEXTS = frozenset({FieldKind.CATEGORY, FieldKind.IMAGE, FieldKind.TEXT, FieldKind.TIMESTAMP})


def load_sample(path: Path, schema: Schema, taken: datetime) -> TrainingData:
    """Returns a labelled sample as both parts of the data: nothing is fitted on it, so all of it may judge.

    Args:
        path: CSV or Parquet with the fields of `schema`, `label`, and `unit_id` where rows have ids; vectors need
            Parquet.
        schema: of a request.
        taken: when the newest row was seen.

    Raises:
        SpecError: when the file cannot be read, or its columns are not these.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(path, "", error.strerror, "a sample with labels, to judge the artifact by") from None
    frame = _read(path, content, schema)
    expected, found = {*schema.names, LABEL}, {str(name) for name in frame.columns} - {UNIT}
    if found != expected:
        raise SpecError(path, "columns", sorted(found), f"{sorted(expected)}, and {UNIT} where rows have ids")
    index = frame[UNIT] if UNIT in frame else pd.Series([f"sample-{number:06}" for number in range(len(frame))])
    frame = frame.set_axis(pd.Index(index, name=UNIT))
    rows, labels = frame[list(schema.names)], frame[LABEL]
    return TrainingData(
        train=rows,
        train_labels=labels,
        validation=rows,
        validation_labels=labels,
        data_version=hashlib.sha256(content).hexdigest(),
        as_of=taken,
        newest=taken,
    )


def keep_artifact(artifact: Artifact, folder: Path) -> None:
    """Copies the artifact's file into `folder` as it is, so that the bundle's digest covers what was brought."""
    shutil.copyfile(artifact.path, folder / f"model{artifact.path.suffix.lower()}")


def _read(path: Path, content: bytes, schema: Schema) -> pd.DataFrame:
    texts = {UNIT: str, **{field.name: str for field in schema.fields if field.kind in _TEXTS}}
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(BytesIO(content))
        # The word "None" is a text like any other: only nothing at all is null.
        return pd.read_csv(BytesIO(content), dtype=texts, keep_default_na=False, na_values=[""])
    except (ValueError, OSError) as error:
        raise SpecError(path, "", str(error).partition("\n")[0], "CSV or Parquet") from None
