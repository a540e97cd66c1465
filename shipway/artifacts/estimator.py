"""skops: an estimator of scikit-learn, of types that are known to run no code when they are loaded."""
# scikit-learn and skops ship no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.artifacts.answers import probe, refused

__all__ = ["Estimator", "check_estimator", "open_estimator"]


class Estimator:
    """An estimator of scikit-learn.

    Args:
        path: the file it came from.
        estimator: a classifier or a regressor, fitted.
    """

    def __init__(self, path: Path, estimator: Any) -> None:
        self.path, self._estimator = path, estimator
        classes = getattr(estimator, "classes_", ())
        self._binary = len(classes) == 2 and hasattr(estimator, "predict_proba")

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns one number a row of `matrix`, (rows, columns): of two classes the probability of the second."""
        found = self._estimator.predict_proba(matrix)[:, 1] if self._binary else self._estimator.predict(matrix)
        return np.asarray(found, dtype=np.float64)


def open_estimator(path: Path, names: Sequence[str], width: int, trusted_types: Sequence[str]) -> Estimator:
    """Returns the estimator in `path`.

    Args:
        path: what `skops.io.dump` wrote.
        names: of the matrix's columns; compared with those the estimator was fitted with, where it knows any.
        width: how many numbers a row has.
        trusted_types: types outside skops' own list that it may hold.

    Raises:
        ArtifactError: when it is no such file, holds another type, was fitted with other columns, or does not answer.
    """
    import skops.io

    try:
        held = skops.io.get_untrusted_types(file=path)
    except Exception as error:  # noqa: BLE001 - its errors have no common type
        raise refused(path, f"no skops file ({_said(error)})", "what skops.io.dump writes") from None
    if unknown := sorted(set(held) - set(trusted_types)):
        raise refused(path, f"the types {', '.join(unknown)}", "only skops' own and TRUSTED_TYPES of train.py")
    try:
        estimator: Any = skops.io.load(path, trusted=list(trusted_types))
    except Exception as error:  # noqa: BLE001 - as above
        expected = "one that the packages of requirements.lock can load"
        raise refused(path, f"an estimator that cannot be loaded ({_said(error)})", expected) from None
    return check_estimator(path, estimator, names, width)


def check_estimator(path: Path, estimator: Any, names: Sequence[str], width: int) -> Estimator:
    """Returns a loaded estimator when it takes `width` columns, by `names` where it knows names.

    Raises:
        ArtifactError: when it does not.
    """
    fitted = getattr(estimator, "n_features_in_", width)
    if fitted != width:
        raise refused(path, f"{fitted} columns", f"{width}, as the schema has")
    own = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
    if own and len(names) == width and own != list(names):
        raise refused(path, f"the columns {', '.join(own)}", f"{', '.join(names)}, in this order")
    if not hasattr(estimator, "predict"):
        raise refused(path, f"a {type(estimator).__name__}", "an estimator with predict")
    found = Estimator(path, estimator)
    try:
        answers = found.predict(np.zeros((2, width)))
    except Exception as error:  # noqa: BLE001 - whatever an estimator raises
        expected = "one that answers an array of numbers: fitted on numbers, not on a data frame's names or on text"
        raise refused(path, f"an estimator that fails on rows of zeros ({_said(error)})", expected) from None
    probe(path, answers, 2)
    return found


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
