"""What the page shows of a photograph: the view itself, and where a model looked in it."""

import base64
import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from retina.assessment import Quality
from retina.explain.overlay import heat_colours, heat_layer
from retina.images.decode import read_photograph
from retina.images.photograph import Photograph
from retina.images.prepare import Preprocessing

VIEW_SIDE = 2048
"""The longer side, in pixels, of a photograph on the page: enough to zoom into."""

_LAYER_SIDE = 448
_KEPT = 8  # views; each is a few hundred kilobytes of text


@dataclass(frozen=True)
class View:
    """A photograph as a browser shows it.

    Attributes:
        name: The file's.
        source: A ``data:`` address.
        width: Of what ``source`` holds, in pixels.
        height: Likewise.
        quality: What the gate says of the photograph.
    """

    name: str
    source: str
    width: int
    height: int
    quality: Quality


@dataclass(frozen=True)
class Heat:
    """Where a model looked, to be laid over a view.

    Attributes:
        method: One of ``retina.explain.methods.METHODS``.
        layer: A ``data:`` address of the colours.
        square: A ``data:`` address of the square that the model was given.
        left: Where the layer begins, in percent of the view's width.
        top: In percent of its height.
        width: As ``left``.
        height: As ``top``.
    """

    method: str
    layer: str
    square: str
    left: float
    top: float
    width: float
    height: float


@lru_cache(maxsize=_KEPT)
def view_of(path: str) -> View:
    """The view of an upload, made once and kept in memory while few others follow.

    Raises:
        ImageError: It is no photograph that can be read.
    """
    photograph = read_photograph(path, at_least=VIEW_SIDE)
    quality = photograph.quality
    view = photograph.image.copy()
    view.thumbnail((VIEW_SIDE, VIEW_SIDE), Image.Resampling.LANCZOS)
    return View(photograph.name, picture_address(view, "jpeg", quality=88), *view.size, quality)


def heat_of(
    photograph: Photograph,
    settings: Preprocessing,
    heatmap: npt.NDArray[np.float32],
    scale: float,
    method: str,
) -> Heat:
    """Lay out a heatmap of a photograph.

    Args:
        photograph: Of the photograph, at any size.
        settings: The model's.
        heatmap: (h, w) over the square.
        scale: The value shown at full strength.
        method: That made the heatmap.
    """
    width, height = photograph.image.size
    left, top, right, bottom = photograph.box(settings)
    return Heat(
        method,
        picture_address(heat_layer(heatmap, scale, (_LAYER_SIDE, _LAYER_SIDE)), "png"),
        picture_address(photograph.square(settings), "png"),
        100 * left / width,
        100 * top / height,
        100 * (right - left) / width,
        100 * (bottom - top) / height,
    )


def colour_bar() -> str:
    """A CSS gradient of the heatmap's colours, from no evidence to the end of the scale."""
    stops = ", ".join(
        f"rgb({red} {green} {blue} / {alpha / 255:.2f})"
        for red, green, blue, alpha in heat_colours(np.linspace(0, 1, 9))
    )
    return f"linear-gradient(to right, {stops})"


def picture_address(picture: Image.Image, kind: str, **options: int) -> str:
    """A ``data:`` address of a picture, saved by Pillow as ``kind`` with ``options``."""
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
