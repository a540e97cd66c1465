"""A picture is whole and of its declared size, or it is refused: then it decodes."""

import base64
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, PngImagePlugin

from shipway.artifacts.pictures import pixels, png
from shipway.contract.png import blank_png, critical_chunks, is_png, most_characters
from shipway.contract.schema import FieldKind, FieldSpec

GREY = np.arange(35, dtype=np.uint8).reshape(5, 7)
COLOURS = np.arange(105, dtype=np.uint8).reshape(5, 7, 3)


def encoded(image: Image.Image, **options: object) -> str:
    target = BytesIO()
    image.save(target, format="PNG", **options)
    return base64.b64encode(target.getvalue()).decode("ascii")


def field(*shape: int) -> FieldSpec:
    return FieldSpec.model_validate({"name": "picture", "kind": FieldKind.IMAGE, "shape": shape})


@given(arrays(np.uint8, st.sampled_from([(1, 1), (5, 7), (5, 7, 3), (3, 2, 1)])))
def test_what_is_encoded_is_decoded(values: np.ndarray) -> None:
    """The same pixels come back, and the schema lets the picture through."""
    shape = (*values.shape, 1)[:3]
    text = png(values)
    assert field(*shape).check(text) is None
    np.testing.assert_array_equal(pixels(text), values.reshape(shape))


@given(st.binary(max_size=80), st.integers(0, 10_000))
def test_a_picture_with_any_damage_is_judged_without_an_exception(noise: bytes, place: int) -> None:
    """Bytes in the middle are replaced: it is refused, or it is still the picture that decodes."""
    data = base64.b64decode(png(COLOURS))
    at = place % len(data)
    text = base64.b64encode(data[:at] + noise + data[at + len(noise) :]).decode("ascii")
    if field(5, 7, 3).check(text) is None:
        assert pixels(text).shape == (5, 7, 3)


@pytest.mark.parametrize("length", range(len(base64.b64decode(png(GREY)))))
def test_a_picture_that_was_cut_off_is_refused(length: int) -> None:
    """After whatever byte."""
    text = base64.b64encode(base64.b64decode(png(GREY))[:length]).decode("ascii")
    assert (field(5, 7, 1).check(text) or ("",))[0] == "image"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (7, "type"),
        ("not base64!", "image"),
        ("é", "image"),
        (base64.b64encode(b"\xff\xd8\xff a JPEG").decode(), "image"),
        (png(GREY) + "\n", "image"),
        (png(GREY[:4]), "shape"),
        (png(GREY.T), "shape"),
        (png(COLOURS), "shape"),
        (encoded(Image.fromarray(GREY).convert("P")), "shape"),
        (encoded(Image.fromarray(GREY).convert("1")), "shape"),
        (encoded(Image.fromarray(COLOURS).convert("RGBA")), "shape"),
        ("A" * 200_000, "length"),
    ],
)
def test_each_rule_is_named(text: object, rule: str) -> None:
    """Size, depth and colours are those of the schema, and what was expected is said."""
    found = field(5, 7, 1).check(text)
    assert found is not None
    assert found[0] == rule
    assert "at most" in found[1] if rule == "length" else "a PNG in base64, 5 by 7 pixels" in found[1]


def test_nothing_beside_the_picture_reaches_a_decoder() -> None:
    """Text, however large it unpacks to, is passed over."""
    told = PngImagePlugin.PngInfo()
    told.add_text("comment", "x" * 10_000_000, zip=True)
    text = encoded(Image.fromarray(GREY), pnginfo=told)
    assert field(5, 7, 1).check(text) is None
    np.testing.assert_array_equal(pixels(text)[:, :, 0], GREY)


def test_a_picture_that_unpacks_to_more_than_its_size_is_refused() -> None:
    """A gigabyte of zeros is not unpacked to find that out."""
    chunk = zlib.compress(bytes(10_000_000))
    whole = struct.pack(">I", len(chunk)) + b"IDAT" + chunk + struct.pack(">I", zlib.crc32(b"IDAT" + chunk))
    data = base64.b64decode(png(GREY))
    start, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    assert (field(5, 7, 1).check(base64.b64encode(data[:start] + whole + data[end:]).decode()) or ("",))[0] == "shape"


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 3), (200, 100, 3)])
def test_the_limits_leave_room(shape: tuple[int, int, int]) -> None:
    """A black picture is one, and the noisiest one is not too long."""
    picture = critical_chunks(blank_png(shape))
    assert picture is not None
    assert is_png(picture, shape)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert len(png(noise)) <= most_characters(shape)


def test_a_shape_belongs_to_images() -> None:
    """An image says its shape, and no other field has one."""
    for content in ({"kind": FieldKind.IMAGE}, {"kind": FieldKind.TEXT, "shape": (1, 1, 1)}):
        with pytest.raises(ValueError, match="shape with kind image, and with no other, in field x"):
            FieldSpec.model_validate({"name": "x", **content})


def test_pixels_of_no_picture() -> None:
    """Whoever asks without the schema's check gets an error, not noise."""
    with pytest.raises(ValueError, match="no whole PNG picture in base64"):
        pixels("AAAA")
