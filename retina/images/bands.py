"""Large pictures made band by band, and smaller where that does, without copies of the whole."""

from collections.abc import Callable

from PIL import Image

LARGE = 25_000_000
"""Pixels, above which a picture is made smaller: more than data sets have but as JPEG."""

_BAND = 2**20  # pixels


def reduction(size: tuple[int, int], at_least: int | None) -> int:
    """How many times smaller a large picture is made: 1, 2, 4 or 8, as JPEG's decoder can.

    Args:
        size: Its width and height.
        at_least: What the shorter side has to keep, in pixels; None: nothing may be lost.
    """
    if at_least is None or size[0] * size[1] <= LARGE:
        return 1
    return next((factor for factor in (8, 4, 2) if min(size) >= factor * at_least), 1)


def in_bands(
    size: tuple[int, int], band: Callable[[int, int], Image.Image], factor: int = 1
) -> Image.Image:
    """Put a picture together.

    Args:
        size: Its width and height.
        band: Gives the rows from the first to before the second, as RGB.
        factor: How many times smaller it is to be; each pixel is then the mean of a square.
    """
    width, height = size
    step = max(1, _BAND // width // factor) * factor
    whole = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, step):
        part = band(top, min(top + step, height))
        whole.paste(part if factor == 1 else part.reduce(factor), (0, top // factor))
    return whole
