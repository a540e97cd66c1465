"""The last good answers, for a model that has none now: bounded in number and age, known by digests alone."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.contract.serving import CacheKey
from shipway.serving.requests import Asked

__all__ = ["LastAnswers"]

_KEY_BYTES = 16


class LastAnswers:
    """Remembers what the model itself answered last, by row or by unit; used by one thread.

    No row is kept: a key is a digest, a value is one number and its time.

    Args:
        by: what makes two requests the same.
        most: how many answers are kept.
        most_age_seconds: how old one may be.
        clock: seconds on a clock that only grows.
    """

    def __init__(self, by: CacheKey, most: int, most_age_seconds: float, clock: Callable[[], float]) -> None:
        self._by, self._most, self._most_age_seconds, self._clock = by, most, most_age_seconds, clock
        self._known: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def keep(self, asked: Asked, values: NDArray[np.float64]) -> None:
        """Remembers the model's own answer to a request."""
        now = self._clock()
        for key, value in zip(self._keys(asked), values.tolist(), strict=False):
            self._known.pop(key, None)
            self._known[key] = (value, now)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def find(self, asked: Asked) -> tuple[NDArray[np.float64], float] | str:
        """Returns the answers to all rows of a request and the age of the oldest in seconds, or why there are none."""
        keys = self._keys(asked)
        if not keys:
            return "the request names no unit, or has several rows"
        found = [self._known.get(key) for key in keys]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            return f"{len(found) - len(known)} of {len(found)} rows were not answered before"
        age = self._clock() - min(time for _, time in known)
        if age > self._most_age_seconds:
            return f"the last answer is {age:.0f} s old, more than {self._most_age_seconds:g} s"
        return np.array([value for value, _ in known], dtype=np.float64), age

    def _keys(self, asked: Asked) -> list[bytes]:
        if self._by is CacheKey.ROW:
            return [_digest(_text(row)) for row in asked.rows]
        return [_digest(asked.unit_id)] if asked.unit_id and len(asked.rows) == 1 else []


def _text(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_KEY_BYTES).digest()
