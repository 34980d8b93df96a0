"""The images of a case report, as files for PDF and HTML."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from retina.explain.overlay import heat_colours

SIDE = 1024
"""Longer side of an image in pixels: 300 dpi at half the width of a page."""

_BAR = (256, 8)


@dataclass(frozen=True)
class Picture:
    """An image file without metadata; its size is in pixels."""

    data: bytes
    kind: str
    width: int
    height: int


@dataclass(frozen=True)
class CasePictures:
    """The photograph, the heatmap over it (None if there is none), and the colour bar."""

    photograph: Picture
    overlay: Picture | None
    colour_bar: Picture


def case_pictures(photograph: Image.Image, overlay: Image.Image | None) -> CasePictures:
    """Return the images of a report, given as RGB, in the size that print needs."""
    return CasePictures(
        _jpeg(photograph), None if overlay is None else _jpeg(overlay), _colour_bar()
    )


def _jpeg(image: Image.Image) -> Picture:
    # A new image, so that no metadata is kept.
    small = Image.new("RGB", image.size)
    small.paste(image)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "jpeg", quality=90)
    return Picture(buffer.getvalue(), "jpeg", *small.size)


def _colour_bar() -> Picture:
    """Draw the colours of the heatmap on white."""
    width, height = _BAR
    colours = np.tile(heat_colours(np.linspace(0, 1, width)), (height, 1, 1))
    bar = Image.alpha_composite(Image.new("RGBA", _BAR, "white"), Image.fromarray(colours, "RGBA"))
    buffer = io.BytesIO()
    bar.convert("RGB").save(buffer, "png")
    return Picture(buffer.getvalue(), "png", width, height)
