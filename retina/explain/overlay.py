"""Overlays of heatmaps on photographs, on a scale fixed per model."""

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image

from retina.errors import SettingsError

COLOUR_MAP = matplotlib.colormaps["viridis"]
_FROM = 0.35  # of the colour map, whose darker colours would be lost on a retina
MAX_OPACITY = 0.6


def heat_layer(
    heatmap: npt.NDArray[np.floating], scale: float, size: tuple[int, int]
) -> Image.Image:
    """Colour a heatmap as a layer over its photograph.

    Opacity grows with the root of the value, so that weak evidence can be seen and none cannot.
    The scale is the checkpoint's rather than the map's own, so that two photographs can be
    compared.

    Args:
        heatmap: (h, w), none below 0.
        scale: The value shown at full strength, as are all above it; more than 0.
        size: Width and height of the layer in pixels.

    Returns:
        An RGBA image; opaque where the map reaches the scale, clear where it is 0.

    Raises:
        SettingsError: The scale is not a number above 0.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise SettingsError(f"the scale of a heatmap must be a number above 0, not {scale}")
    small = Image.fromarray(np.clip(heatmap / scale, 0, 1).astype(np.float32))
    strength = np.clip(np.asarray(small.resize(size, Image.Resampling.BICUBIC)), 0, 1)
    return Image.fromarray(heat_colours(strength), "RGBA")


def heat_colours(strength: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Map evidence to colour and opacity.

    Args:
        strength: Of any shape, 0 to 1.

    Returns:
        One axis more: red, green, blue and opacity, 0 to 255.
    """
    colours = np.asarray(COLOUR_MAP(_FROM + (1 - _FROM) * strength))
    colours[..., 3] = np.sqrt(strength)
    rounded: npt.NDArray[np.uint8] = np.rint(255 * colours).astype(np.uint8)
    return rounded


def overlay_heatmap(
    view: Image.Image, heatmap: npt.NDArray[np.floating], scale: float
) -> Image.Image:
    """Blend a heatmap over its photograph.

    Args:
        view: The part of the photograph that the network saw.
        heatmap: (h, w) unscaled Grad-CAM over the whole view, none below 0.
        scale: The value shown at full strength; more than 0.

    Returns:
        An RGB image of the view's size.

    Raises:
        SettingsError: The scale is not a number above 0.
    """
    layer = heat_layer(heatmap, scale, view.size)
    opacity = layer.getchannel("A").point(lambda alpha: MAX_OPACITY * alpha)
    return Image.composite(layer.convert("RGB"), view.convert("RGB"), opacity)
