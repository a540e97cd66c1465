"""Pictures of a request as numbers, and numbers as a picture."""

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shipway.contract.png import critical_chunks

__all__ = ["pixels", "png"]


def pixels(text: str) -> NDArray[np.uint8]:
    """Returns a picture as (height, width, channels), 0 to 255; one channel is grey.

    Args:
        text: a PNG in base64 that the schema has let through.

    Raises:
        ValueError: for anything else.
    """
    picture = critical_chunks(text)
    if picture is None:
        raise ValueError("no whole PNG picture in base64")
    with Image.open(BytesIO(picture), formats=["PNG"]) as opened:
        values = np.asarray(opened, dtype=np.uint8)
    return values.reshape(*values.shape[:2], -1)


def png(values: NDArray[np.uint8]) -> str:
    """Returns a picture as a PNG in base64, the same text for the same picture.

    Args:
        values: (height, width) or (height, width, 1) for grey, (height, width, 3) for colours.
    """
    grey = values.ndim == 3 and values.shape[2] == 1
    target = BytesIO()
    Image.fromarray(values[:, :, 0] if grey else values).save(target, format="PNG")
    return base64.b64encode(target.getvalue()).decode("ascii")
