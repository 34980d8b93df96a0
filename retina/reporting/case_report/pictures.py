"""The pictures of a case report, as the bytes that PDF and HTML both hold."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from retina.explain.overlay import heat_colours

SIDE = 1024
"""The longer side of a picture in pixels: 300 to the inch at the width of half a page."""

_BAR = (256, 8)


@dataclass(frozen=True)
class Picture:
    """A picture as a file of its own, without metadata; its size is in pixels."""

    data: bytes
    kind: str
    width: int
    height: int


@dataclass(frozen=True)
class CasePictures:
    """The photograph, the heatmap over it (None where there is none), and the heatmap's colours."""

    photograph: Picture
    overlay: Picture | None
    colour_bar: Picture


def case_pictures(photograph: Image.Image, overlay: Image.Image | None) -> CasePictures:
    """Make the pictures as large as print needs them.

    Args:
        photograph: RGB, upright.
        overlay: The heatmap over what the network saw, RGB.
    """
    return CasePictures(
        _jpeg(photograph), None if overlay is None else _jpeg(overlay), _colour_bar()
    )


def _jpeg(image: Image.Image) -> Picture:
    # A picture of its own, so that nothing that came with the file goes along.
    small = Image.new("RGB", image.size)
    small.paste(image)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "jpeg", quality=90)
    return Picture(buffer.getvalue(), "jpeg", *small.size)


def _colour_bar() -> Picture:
    """From no evidence to the end of the scale, on white."""
    width, height = _BAR
    colours = np.tile(heat_colours(np.linspace(0, 1, width)), (height, 1, 1))
    bar = Image.alpha_composite(Image.new("RGBA", _BAR, "white"), Image.fromarray(colours, "RGBA"))
    buffer = io.BytesIO()
    bar.convert("RGB").save(buffer, "png")
    return Picture(buffer.getvalue(), "png", width, height)
