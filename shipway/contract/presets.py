"""The field's usual alert thresholds as data; model.yaml may set each of them otherwise."""

from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec

__all__ = ["PresetsSpec"]

Ratio = Annotated[float, Field(gt=0, lt=1)]


class PresetsSpec(Spec):
    """Thresholds of a model's alerts.

    Args:
        accuracy_drop_ratio: how much accuracy may fall, relatively, before somebody is told.
        utilisation_ratio: of CPU, memory or GPU, above which the day of the limit is forecast.
    """

    accuracy_drop_ratio: Ratio = 0.05
    utilisation_ratio: Ratio = 0.8
