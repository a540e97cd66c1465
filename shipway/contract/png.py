"""PNG, as far as a request's check needs it: whether a picture is whole, of the declared size, and decodes.

Portable Network Graphics Specification (Third Edition), W3C 2025, sections 5, 9 and 11. Only the chunks that make the
picture are looked at; text, colour profiles and animation beside them are passed over, and decoders are not shown them.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator

__all__ = ["Shape", "blank_png", "critical_chunks", "is_png", "most_characters", "png_of"]

# Height, width, channels: 1 for grey, 3 for red, green and blue.
Shape = tuple[int, int, int]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2}
_BIT_DEPTH = 8
_FILTERS = 5
# Chunks beside the picture may take this much, before a picture is called too long.
_MOST_BESIDE_BYTES = 65_536


def critical_chunks(text: str) -> bytes | None:
    """Returns a picture in base64 with nothing but the chunks that make it; None for what is no whole PNG."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not data.startswith(_SIGNATURE):
        return None
    kept = [_SIGNATURE]
    try:
        kinds = list[bytes]()
        for kind, whole in _chunks(data):
            # A capital letter first: without it no picture (5.4). A palette belongs to a colour type that is not taken.
            if kind[:1].isupper() and kind != b"PLTE":
                kinds.append(kind)
                kept.append(whole)
    except (struct.error, ValueError):
        return None
    in_order = len(kinds) > 2 and kinds[0] == b"IHDR" and kinds[-1] == b"IEND" and set(kinds[1:-1]) == {b"IDAT"}
    return b"".join(kept) if in_order else None


def is_png(picture: bytes, shape: Shape) -> bool:
    """Returns whether the chunks of a picture decode to `shape`: 8 bits a sample, not interlaced, no byte too many.

    Args:
        picture: from `critical_chunks`.
        shape: height, width and channels.
    """
    height, width, channels = shape
    header, compressed = b"", bytearray()
    for kind, whole in _chunks(picture):
        if kind == b"IHDR":
            header = whole[8:-4]
        elif kind == b"IDAT":
            compressed += whole[8:-4]
    if header != struct.pack(">IIBBBBB", width, height, _BIT_DEPTH, _COLOUR_TYPES[channels], 0, 0, 0):
        return False
    line_bytes = 1 + width * channels
    inflate = zlib.decompressobj()
    try:
        # One byte more than there may be: what would go on is refused before it takes memory.
        lines = inflate.decompress(bytes(compressed), height * line_bytes + 1)
    except zlib.error:
        return False
    whole_stream = inflate.eof and len(lines) == height * line_bytes
    return whole_stream and all(one < _FILTERS for one in lines[::line_bytes])


def most_characters(shape: Shape) -> int:
    """Returns how long a picture of `shape` may be in base64: no shorter than any encoder makes it."""
    height, width, channels = shape
    raw_bytes = height * (1 + width * channels)
    return 4 * ((raw_bytes + raw_bytes // 100 + _MOST_BESIDE_BYTES) // 3 + 1)


def blank_png(shape: Shape) -> str:
    """Returns a black picture of `shape` in base64."""
    height, width, channels = shape
    return png_of(bytes(height * width * channels), shape)


def png_of(samples: bytes, shape: Shape) -> str:
    """Returns a picture in base64.

    Args:
        samples: of all channels of all pixels, row by row from the top left.
        shape: of the picture.
    """
    height, width, channels = shape
    header = struct.pack(">IIBBBBB", width, height, _BIT_DEPTH, _COLOUR_TYPES[channels], 0, 0, 0)
    row = width * channels
    # Each line begins with the number of its filter, 0 for none.
    lines = zlib.compress(b"".join(b"\0" + samples[at : at + row] for at in range(0, height * row, row)))
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", lines), _chunk(b"IEND", b""))
    return base64.b64encode(_SIGNATURE + b"".join(chunks)).decode("ascii")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the kind of each chunk and all its bytes; raises ValueError or struct.error where one is damaged."""
    place = len(_SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        (check,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(data[place + 4 : end - 4]) != check:
            raise ValueError("the checksum of a chunk")
        kind = data[place + 4 : place + 8]
        yield kind, data[place:end]
        if kind == b"IEND" and end != len(data):
            raise ValueError("bytes behind the end")
        place = end
