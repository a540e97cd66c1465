"""The bounded memory of records."""

from shipway.labels.recent import Entry, Recent


def test_the_newest_records_are_never_forgotten() -> None:
    """However many come, the last `capacity` are known, and at most twice as many."""
    recent = Recent(100)
    for key in range(1, 1001):
        assert recent.add(key, Entry(key % 7, key / 2, used=False))
        newest = range(max(1, key - 99), key + 1)
        assert [recent.get(one) for one in newest] == [Entry(one % 7, one / 2, used=False) for one in newest]
    assert sum(recent.get(key) is not None for key in range(1, 1001)) <= 200


def test_only_what_did_no_work_counts_as_forgotten() -> None:
    """A record that was used may go; one that was not is counted when it goes."""
    recent = Recent(10)
    for key in range(1, 31):
        recent.add(key, Entry(0, 0.0, used=False))
        if key % 2:
            recent.use(key)
    assert (recent.get(10), recent.forgotten) == (None, 5)


def test_keys_that_meet_in_the_table_stay_apart() -> None:
    """Keys with equal low bits, in the young generation and in the old one, keep their own values."""
    recent = Recent(8)
    keys = [place << 32 | 5 for place in range(1, 13)]
    for number, key in enumerate(keys):
        recent.add(key, Entry(number, float(number), used=False))
    recent.use(keys[3])
    assert [recent.get(key) for key in keys] == [Entry(n, float(n), used=n == 3) for n in range(len(keys))]
    assert recent.get(99 << 32 | 5) is None


def test_the_first_of_two_with_one_key_stays() -> None:
    """A repetition is no new record."""
    recent = Recent(4)
    assert recent.add(7, Entry(1, 0.5, used=False))
    assert not recent.add(7, Entry(2, 0.75, used=False))
    assert recent.get(7) == Entry(1, 0.5, used=False)
