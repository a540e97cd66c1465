"""Ids of predictions are many, different, and of one form."""

import re

from hypothesis import given
from hypothesis import strategies as st

from shipway.serving.ids import Ids


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_no_id_is_given_twice(counts: list[int]) -> None:
    """However many are taken at once, each is 32 hexadecimal digits and nobody else's."""
    ids = Ids()
    taken = [ids.take(count) for count in counts]
    assert [len(some) for some in taken] == counts
    everything = [one for some in taken for one in some]
    assert len(set(everything)) == len(everything)
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in everything)
