"""From request fields to the model's matrix: the same lines in training and in serving."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.artifacts.pictures import pixels

__all__ = ["COLUMNS", "matrix"]

# What `matrix` reads.
COLUMNS = ("picture",)


def matrix(columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
    """Returns one row of pixels for each example, from 0 for black to 1 for white.

    Args:
        columns: the values of each of `COLUMNS`, all of one length.
    """
    return np.stack([pixels(picture).ravel() for picture in columns["picture"]]) / 255
