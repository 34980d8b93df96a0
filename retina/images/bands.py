"""A large picture made band by band, so that no copy of the whole lies beside it."""

from collections.abc import Callable

from PIL import Image

_PIXELS = 2**22


def in_bands(size: tuple[int, int], band: Callable[[int, int], Image.Image]) -> Image.Image:
    """Put a picture together.

    Args:
        size: Its width and height.
        band: Gives the rows from the first to before the second, as RGB.
    """
    width, height = size
    step = max(1, _PIXELS // width)
    whole = Image.new("RGB", size)
    for top in range(0, height, step):
        whole.paste(band(top, min(top + step, height)), (0, top))
    return whole
