"""What the baseline reached, made into the bars that later versions must clear."""

import math
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from shipway.contract.documents import Spec
from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import HIGHER_IS_BETTER
from shipway.contract.model import GateSpec
from shipway.training.plan import Task

__all__ = ["METRICS", "TOO_GOOD", "Measured", "gate", "too_good"]

# What decides, by task.
METRICS: Mapping[Task, str] = {Task.BINARY: "auc", Task.MULTICLASS: "accuracy", Task.REGRESSION: "mae"}

# Two standard deviations: one draw of the validation rows in forty would fall below by chance.
_DEVIATIONS = 2.0
# Another honest model may be worse by a tenth of what this one gains.
_MARGIN_RATIO = 0.1
# In how many parts of what is gained a bar is rounded.
_PARTS = 1000

# Almost without a mistake, a model has usually been told the answer.
TOO_GOOD = 0.995


class Measured(Spec):
    """The baseline on the validation rows.

    Args:
        metrics, base_rate: metric -> value, of the baseline and of one who knows no input.
        metric_deviation: how far the metric that decides moves when other rows are drawn, one standard deviation.
        gain_deviation: the same of its gain on the base rate.
        label_mean: of the training labels.
        train_rows, validation_rows: how many.
        fit_seconds: how long the fit took.
    """

    metrics: dict[str, float]
    base_rate: dict[str, float]
    metric_deviation: float
    gain_deviation: float
    label_mean: float
    train_rows: int
    validation_rows: int
    fit_seconds: float


def gate(task: Task, measured: Measured) -> GateSpec:
    """Returns the bars for the metric that decides: what was reached less a margin, and better than the base rate.

    The margin is two standard deviations over draws of the validation rows, and a tenth of what the baseline gains on
    the base rate at least; a champion may be missed by one.

    Raises:
        ShipwayError: when the gain is within chance: such a bar would let anything pass.
    """
    name = METRICS[task]
    sign = 1 if name in HIGHER_IS_BETTER else -1
    reached, base = measured.metrics[name], measured.base_rate[name]
    gain, chance = sign * (reached - base), _DEVIATIONS * measured.gain_deviation
    if gain <= chance or gain <= 0:
        raise ShipwayError(
            f"the baseline's {name} is {reached:.3g} on {measured.validation_rows:,} validation rows, expected one "
            f"better than {base:.3g}, what knowing no column reaches, by more than chance "
            f"({chance:.2g}): the columns say too little about the target; add columns or rows, or "
            "check that --target is what you mean"
        )
    margin = max(_DEVIATIONS * measured.metric_deviation, _MARGIN_RATIO * gain)
    step = Decimal(1).scaleb(math.floor(math.log10(gain / _PARTS)))
    bar = _rounded(reached - sign * margin, step, down=sign > 0)
    return GateSpec(
        metric=name,
        minimum=bar if sign > 0 else None,
        maximum=bar if sign < 0 else None,
        beats_base_rate_by=_rounded(gain / 2, step, down=True),
        champion_tolerance=_rounded(measured.metric_deviation, step, down=False),
    )


def too_good(task: Task, measured: Measured) -> bool:
    """Returns whether the baseline makes so few mistakes that a column may hold the answer."""
    name = METRICS[task]
    if name in HIGHER_IS_BETTER:
        return measured.metrics[name] >= TOO_GOOD
    return measured.metrics[name] <= (1 - TOO_GOOD) * measured.base_rate[name]


def _rounded(value: float, step: Decimal, *, down: bool) -> float:
    # Ten digits: what arithmetic adds behind them would move the bar by a step.
    return float(Decimal(f"{value:.10g}").quantize(step, rounding=ROUND_FLOOR if down else ROUND_CEILING))
