"""A share of a replay: some of the units, and of the feature values only those that one of them may read."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from shipway.traffic.events import Ask, Event, Publish

__all__ = ["chosen", "thinned", "until"]

# As far ahead is looked for somebody who reads a value; one that is newest for longer is kept unread.
_AHEAD = timedelta(hours=48)

_HASH_BYTES = 8

Entities = Callable[[Mapping[str, object]], Mapping[str, object]]


@dataclass
class _Waiting:
    """An event that has not left yet; a value leaves where somebody reads it, or nothing newer has come."""

    event: Event
    read: bool = False
    superseded: bool = False


class _Store:
    """What the online store would hold of all values, as far as it has been looked ahead."""

    def __init__(self, entities: Entities) -> None:
        self._entities = entities
        self._keys: dict[str, tuple[str, ...]] = {}
        self._newest: dict[str, dict[tuple[object, ...], _Waiting]] = {}

    def publish(self, event: Publish, keys: Iterable[str]) -> _Waiting:
        """Returns the value as one that waits; the one before it for the same keys is superseded."""
        names = self._keys.setdefault(event.view, tuple(name for name in keys if name in event.row))
        held, place = self._newest.setdefault(event.view, {}), tuple(event.row[name] for name in names)
        if place in held:
            held[place].superseded = True
        held[place] = _Waiting(event)
        return held[place]

    def read(self, row: Mapping[str, object]) -> None:
        """Notes that a request reads the newest value of each view."""
        keys = self._entities(row)
        for view, names in self._keys.items():
            found = self._newest[view].get(tuple(keys[name] for name in names))
            if found is not None:
                found.read = True


def chosen(unit_id: str, share: float) -> bool:
    """Returns whether a unit is among the `share` that is replayed: the same ones each time, spread evenly."""
    digest = blake2b(unit_id.encode(), digest_size=_HASH_BYTES).digest()
    return int.from_bytes(digest, "big") < share * 2 ** (8 * _HASH_BYTES)


def thinned(events: Iterable[Event], share: float, entities: Entities) -> Iterator[Event]:
    """Yields the events of a share of the units, in their order.

    Every request that is left finds in the store exactly what it would have found among all events: a value is left out
    only where a newer one for the same keys comes before anybody reads it.

    Args:
        events: ordered by `at`.
        share: of the units, by a hash of their ids.
        entities: a request row -> its keys, as the service's `ENTITIES`.
    """
    waiting, store = deque[_Waiting](), _Store(entities)
    early, keys = list[Publish](), tuple[str, ...]()
    for event in events:
        if isinstance(event, Ask) and not keys:
            # Which columns are keys, the first request says; what was known before it has waited for that.
            keys = tuple(entities(event.row))
            waiting.extend(store.publish(value, keys) for value in early)
        if isinstance(event, Publish):
            if keys:
                waiting.append(store.publish(event, keys))
            else:
                early.append(event)
        elif chosen(event.unit_id, share):
            waiting.append(_Waiting(event, read=True))
            if isinstance(event, Ask):
                store.read(event.row)
        while waiting and waiting[0].event.at < event.at - _AHEAD:
            if (one := waiting.popleft()).read or not one.superseded:
                yield one.event
    yield from (one.event for one in waiting if one.read or not one.superseded)


def until(events: Iterable[Event], end: datetime, labels_within: timedelta) -> Iterator[Event]:
    """Yields the events in which nobody asks at `end` or later; labels and values go on for `labels_within`."""
    for event in events:
        if event.at >= end + labels_within:
            return
        if not isinstance(event, Ask) or event.at < end:
            yield event
