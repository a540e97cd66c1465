"""Which rows validate where no time tells: drawn by what a row holds, so that a row stays on its side for good.

A split that is drawn anew for every file lets a version be judged on rows that the one before it has learnt: the
version before looks better than it is, and the better one is refused. Here rows that were added or moved change nothing
for the others, and rows that a caller could not tell apart lie on one side, whatever their labels are.
"""

import hashlib
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from shipway.contract.errors import ShipwayError
from shipway.contract.lots import lot
from shipway.training.examples import number

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["FEWEST_ROWS_A_SIDE", "first_draw", "split"]

# Of each class: one alone is an accident, and no curve goes through it.
FEWEST_ROWS_A_SIDE = 2

# Ten rows of each of twenty classes have an even draw in two hundred and fifty.
_MOST_DRAWS = 2000
# A lot takes a microsecond.
_MOST_LOTS = 100_000_000
# Of the share that was asked for: how much of each class a side has at least, and of all rows validates at most.
_LEAST_OF_SHARE, _MOST_OF_SHARE = 0.5, 1.5

_ROWS_AT_ONCE = 10_000


def split(
    rows: "pd.DataFrame", ratio: float, draw: int, classes: "pd.Series[Any] | None" = None
) -> "tuple[pd.Index, pd.Index]":
    """Returns the ids of the rows that train and of those that validate.

    Args:
        rows: the schema's fields, by unit id. Their order, the columns' order and how numbers are written or held (17,
            17.0, "17") do not matter; one column more is another draw for every row.
        ratio: about which share validates, above 0 and below 1.
        draw: which of the many splits; another one shares nothing with it, so versions that are compared keep theirs.
        classes: the rows' labels by the same index, None where they are numbers.

    Raises:
        ShipwayError: when a side has fewer than two rows, of any class.
    """
    contents, places = _contents(rows)
    validates = _drawn(contents, ratio, draw)[places]
    for label, members in _groups(len(rows), classes):
        count = int(validates[members].sum())
        for side, found in (("train", len(members) - count), ("validate", count)):
            if found < FEWEST_ROWS_A_SIDE:
                whose = "" if label is None else f" of label {label}"
                raise ShipwayError(
                    f"{found} of {len(members):,} rows{whose} {side}, expected at least {FEWEST_ROWS_A_SIDE} with "
                    f"{ratio:g} of all for validation: add rows that differ in more than the target"
                )
    return rows.index[~validates], rows.index[validates]


def first_draw(rows: "pd.DataFrame", ratio: float, classes: "pd.Series[Any] | None" = None) -> int:
    """Returns the first draw by which either side has half of its share at least, of every class, and about it of all.

    With many rows that is the first one of all; with ten of a class, or a few values that stand for many rows, chance
    may leave a side with next to nothing. Rows that hold the same count once too: a hundred of one kind tell no more
    of a model than one. Only numbers of rows are looked at, so that no draw flatters a model.

    Args:
        rows, ratio, classes: as for `split`.

    Raises:
        ShipwayError: when no draw does.
    """
    (contents, places), groups = _contents(rows), _groups(len(rows), classes)
    for draw in range(min(_MOST_DRAWS, _MOST_LOTS // len(contents) + 1)):
        drawn = _drawn(contents, ratio, draw)
        validates = drawn[places]
        fits = validates.sum() <= _MOST_OF_SHARE * ratio * len(rows) and _is_even(int(drawn.sum()), len(drawn), ratio)
        if fits and all(_is_even(int(validates[members].sum()), len(members), ratio) for _, members in groups):
            return draw
    raise ShipwayError(
        f"no split leaves half of its share to both sides, of every class: the {len(rows):,} rows hold "
        f"{len(contents):,} different ones beside the target; add rows that differ, or a column, or say by --time "
        "when a row was"
    )


def _is_even(count: int, rows: int, ratio: float) -> bool:
    sides = ((count, ratio), (rows - count, 1 - ratio))
    return all(found >= max(FEWEST_ROWS_A_SIDE, _LEAST_OF_SHARE * share * rows) for found, share in sides)


def _groups(rows: int, classes: "pd.Series[Any] | None") -> "list[tuple[object, NDArray[np.intp]]]":
    """Returns label -> the places of its rows; all rows as one where labels are numbers."""
    import numpy as np

    if classes is None:
        return [(None, np.arange(rows))]
    labels = classes.to_numpy()
    return [(label, np.flatnonzero(labels == label)) for label in np.unique(labels)]


def _drawn(contents: Sequence[str], ratio: float, draw: int) -> "NDArray[np.bool_]":
    """Returns which of the contents validate."""
    import numpy as np

    return np.array([lot(f"{draw}:{content}") < ratio for content in contents], dtype=bool)


def _contents(rows: "pd.DataFrame") -> "tuple[Sequence[str], NDArray[np.intp]]":
    """Returns the different rows there are, as hashes of what they hold, and which of them each row is.

    Some rows at a time: the texts of all would take many times the table.
    """
    import pandas as pd

    names, found = sorted(rows.columns), list[str]()
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows.iloc[first : first + _ROWS_AT_ONCE]
        columns = [_texts(part[name].tolist()) for name in names]
        found += [_hash("\x1f".join(values)) for values in zip(*columns, strict=True)]
    places, contents = pd.factorize(pd.Series(found, dtype=object))
    return contents.tolist(), places


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _texts(values: Sequence[Any]) -> list[str]:
    """Returns each value as one text, however it was read: an export writes 17.0 for 17 once a row has none."""
    known: dict[Any, str] = {}
    for value in values:
        if value not in known:
            # Most of a large table are floats: nothing else is asked of them.
            known[value] = _of_number(value) if type(value) is float else _text(value)
    return [known[value] for value in values]


def _text(value: Any) -> str:
    import pandas as pd

    if isinstance(value, str):
        found = number(value)
        return value if found is None else _of_number(found)
    if pd.isna(value):
        return ""
    return _of_number(float(value)) if isinstance(value, Real) else str(value)


def _of_number(value: float) -> str:
    # Adding nothing makes 0.0 of -0.0; only what is none differs from itself.
    return repr(value + 0.0) if value == value else ""
