{% from "base/macros.jinja" import imports -%}
"""Takes a trained model over as it is and judges it by a sample; names as in shipway.training.plan.

`artifact/` holds one file, .onnx, .txt (LightGBM), .safetensors or .skops, and `sample.csv`: the fields of schema.py
and `label`. Nothing is trained, so fitting is opening. What a file must look like is in docs/kinds.md.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

{% set own %}
from {{ cookiecutter.__package }}.inputs import COLUMNS, matrix
from {{ cookiecutter.__package }}.schema import SCHEMA
{% endset -%}
{% set platform %}
from shipway.artifacts.answers import Artifact
from shipway.artifacts.opening import find_artifact, open_artifact
from shipway.training.brought import keep_artifact, load_sample
from shipway.training.plan import Task, TrainingData, TrainingSettings
{% endset -%}
{{ imports(own, platform) }}

__all__ = ["SETTINGS", "TASK", "TRUSTED_TYPES", "fit", "load", "predict", "restore", "save"]

TASK = Task.BINARY
# Only for a .skops file: types outside skops' own list that it holds.
TRUSTED_TYPES = ()
# Nothing is fitted, so there is nothing that `--set` could change.
SETTINGS = TrainingSettings

_FOLDER = Path(__file__).with_name("artifact")
# When the newest row of the sample was seen.
_TAKEN = datetime(1995, 11, 1, tzinfo=UTC)


def load(settings: TrainingSettings, cache: Path) -> TrainingData:
    """Returns the sample; put your own beside your artifact."""
    return load_sample(_FOLDER / "sample.csv", SCHEMA, taken=_TAKEN)


def fit(rows: pd.DataFrame, labels: "pd.Series[Any]", settings: TrainingSettings) -> Artifact:
    """Returns the artifact, opened."""
    return open_artifact(find_artifact(_FOLDER), COLUMNS, trusted_types=TRUSTED_TYPES)


def save(artifact: Artifact, folder: Path) -> None:
    """Copies the artifact into a bundle."""
    keep_artifact(artifact, folder)


def restore(folder: Path) -> Artifact:
    """Returns the artifact of a bundle, opened."""
    return open_artifact(find_artifact(folder), COLUMNS, trusted_types=TRUSTED_TYPES)


def predict(artifact: Artifact, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Returns what the artifact says of each row."""
    return artifact.predict(matrix({name: rows[name].tolist() for name in COLUMNS}))
