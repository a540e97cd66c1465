"""Concept drift: whether labels hang together with predictions as they did, whatever predictions there are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs] - scipy brings none

__all__ = ["Relation", "relation"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Relation:
    """How much the labels within the bins of the predictions changed.

    Args:
        shift: by how many bins of the labels the current ones lie higher at the same predictions; of two bins, by
            what share they are more often in the upper one.
        shift_error: the standard error of it, design effect included.
        common: chi-squared of one degree that the shift is none, divided by the design effect.
        rest: chi-squared of all other changes, one bin up and another down, divided by its own effect.
        rest_degrees: of freedom.
        p_value: that of the clearer of the two, doubled; None where no bin has both samples and more than one label.
    """

    shift: float
    shift_error: float
    common: float
    rest: float
    rest_degrees: int
    p_value: float | None


def relation(
    reference: NDArray[np.generic],
    current: NDArray[np.generic],
    design_effect: float = 1.0,
    rest_effect: float = 1.0,
) -> Relation:
    """Returns how the labels of both samples differ within each bin of the predictions.

    A bin in which one sample has no row says nothing; so a change of the predictions alone, which fills other bins,
    does not show. Two questions are asked. Do labels lie higher or lower at the same predictions? That is Mantel's
    extension of Mantel and Haenszel: (sum w d)^2 / sum w^2 v over the bins of the predictions, d the difference of the
    mean number of the label's bin, v its variance, w = n m / (n + m). Rows of a day share their day's shock, which
    moves all bins alike, so this one alone is divided by the design effect. And is there more than that? Pearson's
    chi-squared of each bin's 2 x K table, summed, less the first. Mantel, JASA 58(303), 1963; Agresti, Categorical Data
    Analysis, 3rd edition, 6.4 and 8.4; Rao & Scott, JASA 76(374), 1981.

    Args:
        reference, current: rows by bin of the prediction and bin of the label, in the labels' order, (B, K).
        design_effect: how many rows of the labels count as one, at least 1.
        rest_effect: the same for the second question: how much more than by chance the days differ there, at least 1.

    Raises:
        ValueError: when the shapes differ or the design effect is below 1.
    """
    if reference.shape != current.shape or reference.ndim != 2:
        raise ValueError(f"reference {reference.shape}, current {current.shape}: expected the same two dimensions")
    for name, effect in (("design_effect", design_effect), ("rest_effect", rest_effect)):
        if effect < 1:
            raise ValueError(f"{name} ({effect}): expected at least 1")
    expected, found = reference.astype(np.float64), current.astype(np.float64)
    total = expected + found
    both = (expected.sum(axis=1) > 0) & (found.sum(axis=1) > 0) & ((total > 0).sum(axis=1) > 1)
    if not both.any():
        return Relation(0.0, 0.0, 0.0, 0.0, 0, None)
    expected, found, total = expected[both], found[both], total[both]
    shift, error = _shift(expected, found)
    common = (shift / error) ** 2
    n, m = expected.sum(axis=1, keepdims=True), found.sum(axis=1, keepdims=True)
    terms = (expected * np.sqrt(m / n) - found * np.sqrt(n / m)) ** 2 / np.where(total > 0, total, 1.0)
    rest, degrees = max(float(terms.sum()) - common, 0.0) / rest_effect, int(((total > 0).sum(axis=1) - 1).sum()) - 1
    p_values = [_beyond(common / design_effect, 1)] + ([_beyond(rest, degrees)] if degrees else [])
    p_value = min(1.0, min(p_values) * len(p_values))
    return Relation(shift, error * design_effect**0.5, common / design_effect, rest, degrees, p_value)


def _shift(expected: Numbers, found: Numbers) -> tuple[float, float]:
    """Returns the weighted mean difference of the label's bin, and its standard error under no difference."""
    scores = np.arange(expected.shape[1], dtype=np.float64)
    n, m, total = expected.sum(axis=1), found.sum(axis=1), expected + found
    difference = found @ scores / m - expected @ scores / n
    rows = n + m
    mean = total @ scores / rows
    # Both samples together, as no difference would have it; with rows - 1, as each table's margins are given.
    spread = (total @ scores**2 / rows - mean**2) * rows / (rows - 1)
    weights = n * m / rows
    variance = float((weights**2 * spread * (1 / n + 1 / m)).sum())
    return float((weights * difference).sum() / weights.sum()), variance**0.5 / float(weights.sum())


def _beyond(statistic: float, degrees: int) -> float:
    """Returns the upper tail of a chi-squared variable."""
    return float(special.gammaincc(degrees / 2, statistic / 2))  # pyright: ignore[reportUnknownMemberType]
