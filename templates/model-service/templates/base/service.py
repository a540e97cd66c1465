{%- from "base/macros.jinja" import imports -%}
"""The served class: loads the model, puts a request into its matrix, answers {% block answers %}{% endblock %}."""

from collections.abc import Sequence

import bentoml
import numpy as np
from numpy.typing import NDArray

{% set own %}
from {{ cookiecutter.__package }}.inputs import COLUMNS, matrix
from {{ cookiecutter.__package }}.schema import SCHEMA
{% endset -%}
{{ imports(own, "from shipway.serving.base import RUNTIME, ModelFiles, ModelService, Row") }}

__all__ = ["{{ cookiecutter.__class }}"]


@bentoml.service(name="{{ cookiecutter.name }}", **RUNTIME)
class {{ cookiecutter.__class }}(ModelService):
    """The model {{ cookiecutter.name }}, as every slot serves it."""

    schema = SCHEMA

    def load(self, files: ModelFiles) -> None:
        """Loads the model."""
        {%- block load %}
        self._estimator = files.skops()
        {%- endblock %}

    def predict(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Returns {{ self.answers() }}, one a row."""
        {%- block predict %}
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        return self._estimator.predict(matrix(columns))
        {%- endblock %}
