"""Which rows of a view's past belong to which key."""
# pandas' stubs do not know what a grouping holds.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Places"]


class Places:
    """The rows of `values` by key, each key's in the order in which they lie.

    Args:
        values: a view's past, oldest first.
        keys: its join keys.
    """

    def __init__(self, values: pd.DataFrame, keys: Sequence[str]) -> None:
        self._keys = list(keys)
        grouped: Any = values.groupby(self._keys, sort=False).indices
        # Pandas calls a group of one key by the key itself.
        self._places: dict[tuple[object, ...], NDArray[np.int64]] = {
            (key if isinstance(key, tuple) else (key,)): places for key, places in grouped.items()
        }

    def of(self, row: Mapping[str, object]) -> NDArray[np.int64]:
        """Returns the numbers of the rows whose key is that of `row`; empty for an unknown one."""
        return self._places.get(tuple(row.get(key) for key in self._keys), np.zeros(0, dtype=np.int64))
