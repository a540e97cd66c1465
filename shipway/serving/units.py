"""Which units (callers) of a rollout a slot has seen: each counts once a step, its first prediction once a rollout."""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

__all__ = ["RolloutStep", "Sighting", "UnitFilter", "Units", "unit_digest"]

_STEP = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")

# 2 MiB a filter, four bits a unit. A new unit is taken for a known one with probability (1 - exp(-4 n / 2**24))**4:
# 3e-7 after 100,000 units, 0.2 % after a million. Both slots err alike, and a unit missed is never an error counted.
_BITS = 1 << 24
_HASHES = 4
_HASH_BYTES = 4


@dataclass(frozen=True, order=True)
class RolloutStep:
    """The step of a rollout in which the gateway sent a request: the rollout's number, then the step's index."""

    rollout: int
    step_index: int

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Returns the step in a header `<rollout>/<step>`; None without a header and for anything else in it.

        >>> RolloutStep.parse("3/1")
        RolloutStep(rollout=3, step_index=1)
        """
        found = _STEP.fullmatch(text) if text else None
        return cls(int(found[1]), int(found[2])) if found else None


class UnitFilter:
    """A Bloom filter of fixed size: it never takes a known unit for a new one."""

    def __init__(self, bits: int = _BITS) -> None:
        """Takes `bits` (a power of two, at least 8) of memory."""
        self._bits = bytearray(bits // 8)
        self._mask = bits - 1

    def add(self, digest: bytes) -> bool:
        """Returns whether a unit was unknown until now; `digest` is what `unit_digest` makes of it."""
        new = False
        for start in range(0, _HASHES * _HASH_BYTES, _HASH_BYTES):
            place = int.from_bytes(digest[start : start + _HASH_BYTES], "little") & self._mask
            byte, bit = place >> 3, 1 << (place & 7)
            if not self._bits[byte] & bit:
                new = True
                self._bits[byte] |= bit
        return new


@dataclass(frozen=True)
class Sighting:
    """One request of a rollout.

    Args:
        rollout: the rollout's number.
        digest: of the unit, None for a request without a routing key, which is a unit of its own.
        new_in_step: whether its unit was not seen before in this step.
    """

    rollout: int
    digest: bytes | None
    new_in_step: bool


class Units:
    """The units of the rollout under way; used by one thread.

    Memory is taken when a slot's first rollout begins, and kept for its next one.
    """

    def __init__(self) -> None:
        self._at: RolloutStep | None = None
        self._step: UnitFilter | None = None
        self._predicted: UnitFilter | None = None

    def see(self, at: RolloutStep | None, routing_key: str) -> Sighting | None:
        """Returns what a request is to the rollout; None outside one.

        A request of an earlier step is none of this one's either: the gateway's threads learn of a step one after the
        other, and going back for the latecomers would count every unit again.
        """
        if at is None or (self._at is not None and at.rollout == self._at.rollout and at < self._at):
            return None
        if self._at is None or at.rollout != self._at.rollout:
            self._predicted = UnitFilter()
        if self._step is None or at != self._at:
            self._step = UnitFilter()
        self._at = at
        digest = unit_digest(routing_key) if routing_key else None
        return Sighting(at.rollout, digest, digest is None or self._step.add(digest))

    def first_prediction(self, sighting: Sighting) -> bool:
        """Returns whether the prediction just made for a sighting is its unit's first in the rollout."""
        if self._predicted is None or self._at is None or sighting.rollout != self._at.rollout:
            return False
        return sighting.digest is None or self._predicted.add(sighting.digest)


def unit_digest(unit: str) -> bytes:
    """Returns the digest by which filters know a unit."""
    return hashlib.blake2b(unit.encode(errors="surrogatepass"), digest_size=_HASHES * _HASH_BYTES).digest()
