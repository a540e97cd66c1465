"""The served class: loads the model, puts a request into its matrix, answers the digit."""

from collections.abc import Sequence

import bentoml
import numpy as np
from numpy.typing import NDArray

from digits.inputs import COLUMNS, matrix
from digits.schema import SCHEMA
from shipway.serving.base import RUNTIME, ModelFiles, ModelService, Row

__all__ = ["Digits"]


@bentoml.service(name="digits", **RUNTIME)
class Digits(ModelService):
    """Which digit was written by hand?"""

    schema = SCHEMA

    def load(self, files: ModelFiles) -> None:
        """Loads the model."""
        self._estimator = files.skops()

    def predict(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Returns the digit, one a row."""
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        return self._estimator.predict(matrix(columns)).astype(float)
