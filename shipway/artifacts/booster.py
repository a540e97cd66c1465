"""LightGBM: trees as text, with the names of their features and their objective."""
# lightgbm's types know less than its code.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.artifacts.answers import as_answers, probe, refused

__all__ = ["Booster", "open_booster"]

# What LightGBM calls features that came without names.
_UNNAMED = re.compile(r"Column_\d+")


class Booster:
    """Trees in LightGBM's own text format.

    Args:
        path: the file it came from.
        booster: of lightgbm.
    """

    def __init__(self, path: Path, booster: Any) -> None:
        self.path, self._booster = path, booster

    def scores(self, matrix: NDArray[np.float64]) -> Any:
        """Returns what the trees answer: by their objective a probability, several, or a number."""
        # One thread: a slot has a share of a core.
        return self._booster.predict(matrix, num_threads=1)

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns one number a row of `matrix`, (rows, columns)."""
        return as_answers(np.asarray(self.scores(matrix), dtype=np.float64))


def open_booster(path: Path, names: Sequence[str], width: int) -> Booster:
    """Returns the trees in `path`.

    Args:
        path: what `Booster.save_model` wrote.
        names: of the matrix's columns; compared with the booster's own where it has any and there are as many.
        width: how many numbers a row has.

    Raises:
        ArtifactError: when it is no such file, or its features are others or in another order.
    """
    import lightgbm

    try:
        booster = lightgbm.Booster(model_file=path)
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise refused(path, f"no LightGBM booster ({str(error).strip()[:200]})", "what save_model writes") from None
    if booster.num_feature() != width:
        raise refused(path, f"{booster.num_feature()} features", f"{width}, as the schema has")
    own = booster.feature_name()
    if len(names) == width and own != list(names) and not all(_UNNAMED.fullmatch(one) for one in own):
        raise refused(path, f"the features {', '.join(own)}", f"{', '.join(names)}, in this order")
    found = Booster(path, booster)
    probe(path, found.scores(np.zeros((2, width))), 2)
    return found
