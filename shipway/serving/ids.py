"""The ids of predictions: 128 random bits each, as hexadecimal digits."""

import secrets

__all__ = ["Ids"]

_BYTES = 16
# One trip to the kernel for so many ids: one each costs five times as much as all the rest of making them.
_BLOCK = 256


class Ids:
    """Random ids that nobody can guess; used by one thread."""

    def __init__(self) -> None:
        self._ready: list[str] = []

    def take(self, count: int) -> list[str]:
        """Returns `count` ids that were never returned before."""
        while len(self._ready) < count:
            digits = secrets.token_hex(_BYTES * _BLOCK)
            self._ready += [digits[start : start + 2 * _BYTES] for start in range(0, len(digits), 2 * _BYTES)]
        taken = self._ready[-count:]
        del self._ready[-count:]
        return taken
