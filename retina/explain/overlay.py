"""A heatmap laid over the photograph that it explains, on an honest scale."""

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image

from retina.errors import SettingsError

COLOUR_MAP = "viridis"
MAX_OPACITY = 0.6


def overlay_heatmap(
    view: Image.Image, heatmap: npt.NDArray[np.floating], scale: float
) -> Image.Image:
    """Colour a photograph where the model looked.

    Opacity grows with the value, and the scale is the checkpoint's rather than the map's own: a
    map without evidence leaves the photograph as it is, and two photographs can be compared.

    Args:
        view: The part of the photograph that the network saw.
        heatmap: (h, w) unscaled Grad-CAM over the whole view, none below 0.
        scale: The value shown at full strength, as are all above it; more than 0.

    Returns:
        An RGB picture of the view's size.

    Raises:
        SettingsError: The scale is not a number above 0.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise SettingsError(f"the scale of a heatmap must be a number above 0, not {scale}")
    small = Image.fromarray(np.clip(heatmap / scale, 0, 1).astype(np.float32))
    strength = np.clip(np.asarray(small.resize(view.size, Image.Resampling.BICUBIC)), 0, 1)
    colours = 255 * matplotlib.colormaps[COLOUR_MAP](strength)[..., :3]
    opacity = MAX_OPACITY * strength[..., np.newaxis]
    photograph = np.asarray(view.convert("RGB"), dtype=np.float32)
    blended = photograph + opacity * (colours - photograph)
    return Image.fromarray(np.rint(blended).astype(np.uint8))
