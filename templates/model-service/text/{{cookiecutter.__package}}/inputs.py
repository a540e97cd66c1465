"""From request fields to what the vectorizer reads: the same lines in training and in serving."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "matrix"]

# What `matrix` reads.
COLUMNS = ("text",)


def matrix(columns: Mapping[str, Sequence[Any]]) -> NDArray[np.object_]:
    """Returns one text for each example, of several ways to write a letter always the same.

    Args:
        columns: the values of each of `COLUMNS`, all of one length.
    """
    return np.array([unicodedata.normalize("NFKC", text) for text in columns["text"]], dtype=object)
