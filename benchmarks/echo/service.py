"""The served class."""

from collections.abc import Sequence

import bentoml
import numpy as np
from numpy.typing import NDArray

from shipway.serving.base import RUNTIME, ModelFiles, ModelService, Row

from .schema import SCHEMA

__all__ = ["Echo"]


@bentoml.service(name="echo", **RUNTIME)
class Echo(ModelService):
    """Which number was it?"""

    schema = SCHEMA

    def load(self, files: ModelFiles) -> None:
        """Loads what says nothing."""
        files.skops()

    def predict(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Returns the number, one a row.

        Raises:
            ValueError: for 999, so that a model that fails can be had.
        """
        values = np.array([row["x"] for row in rows], dtype=np.float64)
        if (values == 999).any():
            raise ValueError("999")
        return values
