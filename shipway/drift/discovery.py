"""Which of many fields drifted: false discoveries are held down over all fields of a window."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["combined", "discoveries"]

Numbers = NDArray[np.float64]


def combined(p_values: Numbers) -> Numbers:
    """Returns one p-value a field from those of its statistics: the least times how many there are.

    Valid however they depend on each other: Bonferroni's inequality.

    Args:
        p_values: (F, S); NaN where a statistic could not be had. A field without any has NaN.
    """
    had = ~np.isnan(p_values)
    least = np.where(had, p_values, 1.0).min(axis=1)
    return np.where(had.any(axis=1), np.minimum(least * had.sum(axis=1), 1.0), np.nan)


def discoveries(p_values: Numbers, false_ratio: float) -> NDArray[np.bool_]:
    """Returns which fields are found; of these `false_ratio` are false at most, on average.

    The k smallest p-values are found, k the greatest with p(k) <= false_ratio k / F. Benjamini & Hochberg, Journal of
    the Royal Statistical Society B 57(1), 1995; it holds for fields that are independent or rise together.

    >>> discoveries(np.array([0.01, 0.9, 0.04, 0.02]), 0.05).tolist()
    [True, False, False, True]

    Args:
        p_values: (F,) or (..., F); NaN where nothing was judged: such a field is neither found nor counted.
        false_ratio: between 0 and 1.
    """
    known = np.where(np.isnan(p_values), np.inf, p_values)
    judged = np.isfinite(known).sum(axis=-1, keepdims=True)
    ordered = np.sort(known, axis=-1)
    ranks = np.arange(1, int(known.shape[-1]) + 1, dtype=np.float64)
    limits: Numbers = false_ratio * ranks / np.maximum(judged, 1)
    within = ordered <= limits
    # The greatest p-value that is within; below every p-value where none is.
    cut = np.where(within, ordered, -1.0).max(axis=-1, keepdims=True, initial=-1.0)
    return known <= cut
