"""Concept drift: whether labels hang together with predictions as they did, whatever predictions there are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs] - scipy brings none

__all__ = ["Relation", "relation"]


@dataclass(frozen=True, slots=True)
class Relation:
    """How much the labels within the bins of the predictions changed.

    Args:
        statistic: chi-squared, divided by the design effect.
        degrees: of freedom.
        p_value: None without degrees of freedom: no bin has both samples and more than one label.
    """

    statistic: float
    degrees: int
    p_value: float | None


def relation(reference: NDArray[np.generic], current: NDArray[np.generic], design_effect: float = 1.0) -> Relation:
    """Returns Pearson's chi-squared of the labels of both samples within each bin of the predictions, summed.

    A bin in which one sample has no row says nothing; so a change of the predictions alone, which fills other bins,
    does not show. Each bin is a 2 x K table; their statistics are independent, so they and their degrees add up:
    Agresti, Categorical Data Analysis, 3rd edition, 6.4. The design effect divides as in Rao & Scott 1981.

    Args:
        reference, current: rows by bin of the prediction and bin of the label, (B, K).
        design_effect: how many rows of the current labels count as one, at least 1.

    Raises:
        ValueError: when the shapes differ or the design effect is below 1.
    """
    if reference.shape != current.shape or reference.ndim != 2:
        raise ValueError(f"reference {reference.shape}, current {current.shape}: expected the same two dimensions")
    if design_effect < 1:
        raise ValueError(f"design_effect ({design_effect}): expected at least 1")
    expected, found = reference.astype(np.float64), current.astype(np.float64)
    n, m = expected.sum(axis=1), found.sum(axis=1)
    both = (n > 0) & (m > 0)
    expected, found, n, m = expected[both], found[both], n[both, None], m[both, None]
    total = expected + found
    terms = (expected * np.sqrt(m / n) - found * np.sqrt(n / m)) ** 2 / np.where(total > 0, total, 1.0)
    statistic = float(terms.sum()) / design_effect
    degrees = int(np.maximum((total > 0).sum(axis=1) - 1, 0).sum())
    if not degrees:
        return Relation(statistic, degrees, None)
    # The upper tail of a chi-squared variable.
    beyond = float(special.gammaincc(degrees / 2, statistic / 2))  # pyright: ignore[reportUnknownMemberType]
    return Relation(statistic, degrees, beyond)
