"""The served class: loads the trees, puts a request into their matrix, answers the probability of arriving late."""

from collections.abc import Sequence

import bentoml
import numpy as np
from numpy.typing import NDArray

from flight_delay.features import ENTITIES
from flight_delay.inputs import COLUMNS, matrix
from flight_delay.schema import SCHEMA
from shipway.serving.base import RUNTIME, ModelFiles, ModelService, Row

__all__ = ["FlightDelay"]


@bentoml.service(name="flight-delay", **RUNTIME)
class FlightDelay(ModelService):
    """Will this flight arrive more than fifteen minutes late?"""

    schema = SCHEMA

    def load(self, files: ModelFiles) -> None:
        """Loads the trees."""
        self._estimator = files.skops()

    def predict(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Returns the probability of arriving late, one a row."""
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        return self._estimator.predict_proba(matrix(columns))[:, 1]

    def entities(self, row: Row) -> dict[str, object]:
        """Returns the keys of a row's airport, carrier and aircraft."""
        return ENTITIES(row)
