"""A split by what rows hold: a row stays on its side, and both sides have enough."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shipway.contract.errors import ShipwayError
from shipway.training.splitting import FEWEST_ROWS_A_SIDE, first_draw, split

RATIO = 0.25


def frame(count: int, seed: int = 0) -> pd.DataFrame:
    chance = random.Random(seed)
    values: dict[str, list[object]] = {
        "size": [chance.random() * 100 for _ in range(count)],
        "rooms": [chance.randrange(6) or None for _ in range(count)],
        "town": [chance.choice(("Bern", "Basel", None)) for _ in range(count)],
    }
    return of(values)


def of(values: dict[str, Any]) -> pd.DataFrame:
    found = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in values.items()})
    return found.set_axis([f"row-{place}" for place in range(len(found))])


def held(rows: pd.DataFrame, ids: "pd.Index") -> list[tuple[object, ...]]:
    return list(rows.loc[ids].itertuples(index=False, name=None))


def validating(rows: pd.DataFrame, draw: int = 0) -> set[tuple[object, ...]]:
    return set(held(rows, split(rows, RATIO, draw)[1]))


def test_a_row_stays_on_its_side_as_the_file_grows_and_is_sorted_anew() -> None:
    """None that validates with 37 rows more, in another order, trained before; the order of columns says nothing."""
    rows = frame(400)
    trained, validated = (set(held(rows, ids)) for ids in split(rows, RATIO, 0))
    grown = pd.concat([frame(37, seed=1), rows.sample(frac=1, random_state=0)])
    grown = grown.set_axis([f"row-{place:03}" for place in range(len(grown))])
    assert not validating(grown) & trained
    assert not set(held(grown, split(grown, RATIO, 0)[0])) & validated
    other = grown[["town", "size", "rooms"]]
    assert list(split(other, RATIO, 0)[1]) == list(split(grown, RATIO, 0)[1])


def test_rows_that_hold_the_same_lie_on_one_side() -> None:
    """Doubled ones, with whatever label: a caller could not tell them apart."""
    rows = frame(300)
    doubled = pd.concat([rows, rows]).set_axis([f"row-{place}" for place in range(600)])
    train, validation = split(doubled, RATIO, 0)
    assert not set(held(doubled, train)) & set(held(doubled, validation))
    assert len(validation) == 2 * len(split(rows, RATIO, 0)[1])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([float(number) for number in range(200)], id="floats"),
        pytest.param(np.arange(200, dtype=np.int32), id="numpy"),
        pytest.param([str(number) for number in range(200)], id="texts"),
        pytest.param([f"{number}.0" for number in range(200)], id="as-pandas-writes-them"),
    ],
)
def test_how_a_number_is_held_changes_nothing(other: Sequence[Any]) -> None:
    """An export writes 17.0 for 17 once one row has no value."""
    whole = of({"code": list(range(200)), "sign": [-0.0] * 200})
    again = whole.assign(code=other, sign=0.0)
    assert list(split(whole, RATIO, 0)[1]) == list(split(again, RATIO, 0)[1])
    assert list(split(again.convert_dtypes(), RATIO, 0)[1]) == list(split(whole, RATIO, 0)[1])


def test_a_null_is_a_null_however_it_is_read() -> None:
    """None, NaN and pandas' own."""
    rows = of({"size": [None if number % 3 else number for number in range(200)], "other": list(range(200))})
    found = list(split(rows, RATIO, 0)[1])
    assert list(split(rows.assign(size=rows["size"].astype(float)), RATIO, 0)[1]) == found
    assert list(split(rows.convert_dtypes(), RATIO, 0)[1]) == found


def test_the_same_rows_validate_on_every_machine() -> None:
    """Of these ten, by the lots that were written down."""
    rows = of({"number": list(range(10)), "town": list("abcdefghij")})
    assert list(split(rows, 0.5, 0)[1]) == ["row-0", "row-3"]


def test_about_the_share_validates() -> None:
    """Of 20,000 rows within a percent, whichever draw; two draws have no more in common than chance."""
    rows = frame(20_000)
    found = [set(split(rows, RATIO, draw)[1]) for draw in range(3)]
    assert all(abs(len(one) / 20_000 - RATIO) < 0.01 for one in found)
    assert abs(len(found[0] & found[1]) / 20_000 - RATIO**2) < 0.01


def test_the_first_draw_leaves_both_sides_with_some_of_every_class() -> None:
    """Twenty classes of ten rows each; draws that leave one out are passed by."""
    rows = frame(200)
    classes = pd.Series([place % 20 for place in range(200)], rows.index)
    draw = first_draw(rows, RATIO, classes)
    train, validation = split(rows, RATIO, draw, classes)
    for side in (train, validation):
        assert classes.loc[side].value_counts().reindex(range(20)).min() >= FEWEST_ROWS_A_SIDE
    assert 25 <= len(validation) <= 75
    with pytest.raises(ShipwayError, match=r"of 10 rows of label \d+ validate, expected at least 2 with 0.25 of all"):
        split(rows, RATIO, 0, classes)
    assert first_draw(frame(5000), RATIO) == 0


def test_no_side_is_all_of_one_kind() -> None:
    """Of six kinds of rows two validate: of a single one nobody sees whether a model tells any apart."""
    kinds = [(rank, sex) for rank in range(3) for sex in ("f", "m")]
    chance = random.Random(0)
    chosen = chance.choices(kinds, weights=(10, 14, 9, 12, 16, 39), k=900)
    rows = of({"rank": [rank for rank, _ in chosen], "sex": [sex for _, sex in chosen]})
    classes = pd.Series([int(chance.random() < 0.4) for _ in chosen], rows.index)
    train, validation = split(rows, RATIO, first_draw(rows, RATIO, classes), classes)
    assert len(set(held(rows, validation))) >= FEWEST_ROWS_A_SIDE
    assert len(set(held(rows, train))) >= FEWEST_ROWS_A_SIDE
    one = of({"kind": [number % 3 for number in range(300)]})
    with pytest.raises(ShipwayError, match="the 300 rows hold 3 different ones beside the target"):
        first_draw(one, RATIO)


def test_rows_that_are_all_alike_are_refused_with_the_way_on() -> None:
    """Whole contents go to a side: one of them cannot be halved."""
    rows = of({"rooms": [1] * 150, "town": ["Bern"] * 150})
    with pytest.raises(
        ShipwayError, match="the 150 rows hold 1 different ones beside the target; add rows that differ"
    ):
        first_draw(rows, RATIO)
    with pytest.raises(ShipwayError, match=r"of 150 rows (train|validate), expected at least 2"):
        split(rows, RATIO, 0)
