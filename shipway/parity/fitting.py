"""A line through points of which some lie anywhere, and the commonest of some numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line", "fit_line", "most_common"]

# Of pairs of points: all of 200 points are 20,000, which take a millisecond.
_MOST_POINTS = 200
# How far a point may lie from the line, relatively: a value may have gone through 32 bits.
_RELATIVE = 1e-5


@dataclass(frozen=True)
class Line:
    """y = slope * x + intercept, and the share of the points that lie on it."""

    slope: float
    intercept: float
    share: float


def fit_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> Line:
    """Returns the line through most points: Theil's, then least squares through those that lie near it.

    Up to 29 % of the points may lie anywhere. Source: Theil (1950), A rank-invariant method of linear regression.

    >>> fit_line(np.array([0.0, 1.0, 2.0, 3.0]), np.array([32.0, 33.8, 35.6, 37.4]))
    Line(slope=1.8, intercept=32.0, share=1.0)
    """
    chosen = np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).astype(int)
    first, second = np.triu_indices(len(chosen), 1)
    run, rise = x[chosen][second] - x[chosen][first], y[chosen][second] - y[chosen][first]
    if not (run != 0).any():
        return Line(0.0, float(np.median(y)), 0.0)
    slope = float(np.median(rise[run != 0] / run[run != 0]))
    intercept = float(np.median(y - slope * x))
    near = _near(x, y, slope, intercept)
    if near.sum() > 2 and np.ptp(x[near]) > 0:
        deviation = x[near] - x[near].mean()
        slope = float((deviation @ y[near]) / (deviation @ deviation))
        intercept = float(y[near].mean() - slope * x[near].mean())
    slope, intercept = float(f"{slope:.9g}"), float(f"{intercept:.9g}")
    if abs(intercept) <= _RELATIVE * float(np.abs(y).max()):
        intercept = 0.0
    return Line(slope, intercept, float(_near(x, y, slope, intercept).mean()))


def _near(x: NDArray[np.float64], y: NDArray[np.float64], slope: float, intercept: float) -> NDArray[np.bool_]:
    scale = np.maximum(np.abs(y), np.abs(intercept)) + 1e-12
    return np.abs(slope * x + intercept - y) <= 2 * _RELATIVE * scale


def most_common(values: NDArray[np.float64]) -> tuple[float, int]:
    """Returns the value that occurs most often, and how often; the least of several.

    >>> most_common(np.array([3.0, 1.0, 3.0]))
    (3.0, 2)
    """
    found, times = np.unique(values, return_counts=True)
    best = int(np.argmax(times))
    return float(found[best]), int(times[best])
