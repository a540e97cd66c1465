"""A bounded memory of the newest records by key, of a known size in bytes."""

from array import array
from dataclasses import dataclass

__all__ = ["Entry", "Recent"]

# A table is looked up in a step or two as long as a third of it stays empty.
_FULL_RATIO = 2 / 3


@dataclass
class Entry:
    """One record as it is remembered: what it belongs to, its number, and whether it has done its work."""

    group: int
    value: float
    used: bool


class _Generation:
    """A hash table of fixed size without removal: 21 bytes a place, where a dict takes over a hundred a record."""

    def __init__(self, places: int) -> None:
        self._mask = places - 1
        self._keys = array("Q", bytes(8 * places))
        self._values = array("d", bytes(8 * places))
        self._groups = array("I", bytes(4 * places))
        self._used = bytearray(places)
        self.size = self.used = 0

    def place(self, key: int) -> int:
        """Returns where `key` is, or where it would go."""
        place = key & self._mask
        while self._keys[place] not in (0, key):
            place = (place + 1) & self._mask
        return place

    def get(self, place: int) -> Entry | None:
        if not self._keys[place]:
            return None
        return Entry(self._groups[place], self._values[place], bool(self._used[place]))

    def put(self, place: int, key: int, entry: Entry) -> None:
        self._keys[place], self._values[place], self._groups[place] = key, entry.value, entry.group
        self._used[place] = entry.used
        self.size += 1
        self.used += entry.used

    def use(self, place: int) -> None:
        self.used += not self._used[place]
        self._used[place] = True


class Recent:
    """Remembers at least the newest `capacity` records and at most twice as many; older ones are forgotten together.

    Args:
        capacity: how many records are never forgotten.

    >>> recent = Recent(2)
    >>> [recent.add(key, Entry(0, key / 2, False)) for key in (1, 2, 1, 3, 4, 5)]
    [True, True, False, True, True, True]
    >>> recent.get(1), recent.get(3), recent.forgotten
    (None, Entry(group=0, value=1.5, used=False), 2)
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._places = 1 << int(capacity / _FULL_RATIO).bit_length()
        self._young = _Generation(self._places)
        self._old: _Generation | None = None
        # Records that were forgotten before they had done their work.
        self.forgotten = 0

    def add(self, key: int, entry: Entry) -> bool:
        """Returns whether `entry` was new; of two with one `key` (a positive 64-bit number) the first stays."""
        if self.get(key) is not None:
            return False
        if self._young.size >= self._capacity:
            if self._old is not None:
                self.forgotten += self._old.size - self._old.used
            self._old, self._young = self._young, _Generation(self._places)
        self._young.put(self._young.place(key), key, entry)
        return True

    def get(self, key: int) -> Entry | None:
        """Returns what is remembered of `key`, None for nothing."""
        for generation in (self._young, self._old):
            if generation is not None and (found := generation.get(generation.place(key))) is not None:
                return found
        return None

    def use(self, key: int) -> None:
        """Says that the record of `key` has done its work; it stays known, so that it is not done again."""
        for generation in (self._young, self._old):
            if generation is not None and generation.get(place := generation.place(key)) is not None:
                generation.use(place)
                return
