"""What every opened artifact is asked, and how its scores become one number a row."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shipway.contract.errors import ArtifactError

__all__ = ["Artifact", "as_answers", "probe", "refused"]

# How far two probabilities in 32-bit floats may be from 1 together.
_SUM_TOLERANCE = 1e-3


class Artifact(Protocol):
    """A model from a file, ready to answer; asked from several threads at once."""

    @property
    def path(self) -> Path:
        """The file it came from."""
        ...

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns one number a row of `matrix`, (rows, columns): a probability of 1, a class, or a number."""
        ...


def as_answers(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns one number a row: the only column, of two probabilities that of 1, of more columns the largest's number.

    >>> as_answers(np.array([[0.25, 0.75]])), as_answers(np.array([[0.0, 0.0, 2.5]]))
    (array([0.75]), array([2.]))

    Args:
        scores: (rows,) or (rows, columns).
    """
    if scores.ndim == 1:
        return scores
    columns = scores.shape[1]
    if columns > 2:
        return np.argmax(scores, axis=1).astype(np.float64)
    return scores[:, columns - 1]


def probe(path: Path, scores: object, rows: int) -> None:
    """Refuses an artifact by what it answered when it was asked for the first time.

    Args:
        path: the artifact's file.
        scores: what it answered.
        rows: how many rows it was asked for.

    Raises:
        ArtifactError: for another shape than one or several numbers a row, numbers that are not finite, and two columns
            that are no probabilities: which of them to answer would be a guess.
    """
    try:
        values = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise refused(path, f"answers of type {type(scores).__name__}", "numbers") from None
    if values.ndim not in (1, 2) or values.shape[0] != rows or 0 in values.shape:
        raise refused(path, f"answers of shape {values.shape} for {rows} rows", f"({rows},) or ({rows}, columns)")
    if not np.isfinite(values).all():
        raise refused(path, "an answer that is not finite for a row of zeros", "finite numbers")
    if values.ndim == 2 and values.shape[1] == 2 and np.abs(values.sum(axis=1) - 1).max() > _SUM_TOLERANCE:
        found = ", ".join(f"{value:.4g}" for value in values[0])
        raise refused(path, f"two answers a row ({found})", "two probabilities with the sum 1, such as after a softmax")


def refused(path: Path, found: str, expected: str) -> ArtifactError:
    """Returns the error about an artifact: file, what was found in it and what was expected."""
    return ArtifactError(f"{path}: found {found}, expected {expected}")
