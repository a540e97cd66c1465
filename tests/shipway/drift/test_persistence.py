"""What windows before say."""

from hypothesis import given
from hypothesis import strategies as st

from shipway.drift.persistence import History


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 5), st.integers(1, 5))
def test_the_last_windows_count(found: list[bool], keep: int, needed: int) -> None:
    """A field persists when it was found in so many of the last `keep` windows, and no older one matters."""
    history = History()
    for one in found:
        history = history.heard({"a": one}, keep)
    assert history.persists("a", needed) == (sum(found[-keep:]) >= needed)


def test_a_window_without_verdict_is_not_remembered() -> None:
    """What is not told changes nothing, and a history is never changed, only followed by another."""
    before = History({"a": (True,)})
    after = before.heard({"b": True}, 3)
    assert before.found == {"a": (True,)}
    assert after.found == {"a": (True,), "b": (True,)}
    assert not after.persists("never heard of", 1)
