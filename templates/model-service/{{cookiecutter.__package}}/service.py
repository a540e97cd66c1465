"""The served class: loads the model, puts a request into its matrix, answers the probability of the label 1."""

from collections.abc import Sequence

import bentoml
import numpy as np
from numpy.typing import NDArray

{% set own -%}
from {{ cookiecutter.__package }}.inputs import COLUMNS, matrix
from {{ cookiecutter.__package }}.schema import SCHEMA
{%- endset -%}
{{ [own, "from shipway.serving.base import RUNTIME, ModelFiles, ModelService, Row"] | sort | join("\n") }}

__all__ = ["{{ cookiecutter.__class }}"]


@bentoml.service(name="{{ cookiecutter.name }}", **RUNTIME)
class {{ cookiecutter.__class }}(ModelService):
    """{{ cookiecutter.description }}"""

    schema = SCHEMA

    def load(self, files: ModelFiles) -> None:
        """Loads the model."""
        self._estimator = files.skops()

    def predict(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Returns the probability of the label 1, one a row."""
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        return self._estimator.predict_proba(matrix(columns))[:, 1]
