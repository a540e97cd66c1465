"""The lot that a text draws: a choice that looks like chance and is the same on every machine, whenever it is asked."""

import hashlib

__all__ = ["lot"]

_SPACE = 2**64


def lot(text: str) -> float:
    """Returns the lot that a text draws, at least 0 and below 1, the same whenever it is asked.

    >>> lot("6f1ed002ab5595859014ebf0951522d9") == lot("6f1ed002ab5595859014ebf0951522d9")
    True
    """
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / _SPACE
