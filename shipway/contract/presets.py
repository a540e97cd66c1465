"""The field's usual alert thresholds as data; model.yaml may set each of them otherwise, or to null, which is off."""

from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec

__all__ = ["BURNS", "Burn", "PresetsSpec"]

Ratio = Annotated[float, Field(gt=0, lt=1)]


class Burn(Spec):
    """One pair of windows over which the use of an error budget is looked at.

    Args:
        long_ratio: the long window, as a share of the objective's own window.
        factor: how many times faster than the budget allows it is used, in both windows, before somebody is told.
        page: whether that wakes somebody.
    """

    long_ratio: float
    factor: float
    page: bool


# Google, The Site Reliability Workbook (2018), chapter 5, table 5-8, there for 30 days: 14.4 times over 1 h (2 % of the
# budget) and 6 times over 6 h (5 %) are a page, once over 3 days (10 %) is a ticket; the short window, a twelfth of
# the long one, ends the alert soon after its cause.
BURNS = (
    Burn(long_ratio=1 / 720, factor=14.4, page=True),
    Burn(long_ratio=1 / 120, factor=6.0, page=True),
    Burn(long_ratio=1 / 10, factor=1.0, page=False),
)


class PresetsSpec(Spec):
    """Thresholds of a model's alerts; one that is null alerts about nothing.

    Errors above 1 % and the budgets' burn rates follow `slo`, the Wasserstein distance follows `drift.w1_limit`.

    Args:
        prediction_shift_sigmas: how far the mean prediction may lie from the reference's, in its standard deviations.
        feature_deviation_ratio: how far the mean of an input may lie from the reference's, relative to that.
        accuracy_drop_ratio: how much a metric of quality may fall for certain, relative to the version's evaluation.
        latency_growth_factor: how many times the 95th percentile of the same hours of earlier days it may reach.
        utilisation_ratio: the share of CPU, memory, GPU or disk above which the moment of the limit is forecast.
        label_coverage_ratio: the least share of predictions whose label has come.
        parity_difference_ratio: the share of compared feature values that may differ from the offline ones.
    """

    prediction_shift_sigmas: Annotated[float, Field(gt=0)] | None = 2.0
    feature_deviation_ratio: Annotated[float, Field(gt=0)] | None = 0.1
    accuracy_drop_ratio: Ratio | None = 0.05
    latency_growth_factor: Annotated[float, Field(gt=1)] | None = 2.0
    utilisation_ratio: Ratio | None = 0.8
    label_coverage_ratio: Ratio | None = 0.5
    parity_difference_ratio: Ratio | None = 0.01
