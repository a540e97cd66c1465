"""From request fields to the model's matrix: the same lines in training and in serving."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "matrix"]

# What `matrix` reads, in the order of the artifact's own columns.
COLUMNS = ("radius", "texture", "smoothness", "concavity", "symmetry")


def matrix(columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
    """Returns one row of numbers for each example.

    Args:
        columns: the values of each of `COLUMNS`, all of one length.
    """
    return np.column_stack([np.asarray(columns[name], dtype=float) for name in COLUMNS])
