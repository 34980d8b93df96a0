"""Find the retina in a fundus photograph: the lit disc on the camera's dark border."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

_THUMBNAIL = 256
_CORNER = 1 / 16
_MIN_CONTRAST = 6
_LIT = 0.12
_MIN_CHORD = 0.06
_MIN_SIDE = 0.25
_MIN_FILL = 0.6
_MIN_DARK = 0.05


@dataclass(frozen=True)
class FieldOfView:
    """Where the retina lies, in pixels of the picture that was searched.

    Attributes:
        left: First column.
        top: First row.
        right: One past the last column.
        bottom: One past the last row.
        found: Whether a lit disc on a dark border was seen; otherwise the box is the whole
            picture.
    """

    left: int
    top: int
    right: int
    bottom: int
    found: bool

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, as Pillow takes them."""
        return self.left, self.top, self.right, self.bottom


def find_retina(image: Image.Image) -> FieldOfView:
    """Find the bounding box of the lit disc.

    The picture is searched at 256 pixels or less. A pixel is lit where its brightest channel
    stands out from the darkest corner by a share of what the middle of the picture does, so that
    neither a dark picture nor a border that is not quite black matters. A row or column belongs to
    the disc where it has a run of lit pixels that is not short beside the longest, so that
    labels, time stamps and noise do not widen the box. The disc may be cut off on any side, or
    squashed to an ellipse.

    Args:
        image: An upright picture of any size.

    Returns:
        The box, the whole picture with ``found`` False where there is no disc on a dark border:
        the retina fills the picture, or there is none.
    """
    width, height = image.size
    whole = FieldOfView(0, 0, width, height, found=False)
    lit = _lit_pixels(image)
    if lit is None:
        return whole
    rows, columns = _extent(lit)
    inside = lit[rows, columns]
    if (
        inside.shape[0] < _MIN_SIDE * lit.shape[0]
        or inside.shape[1] < _MIN_SIDE * lit.shape[1]
        or inside.mean() < _MIN_FILL
        or inside.sum() > (1 - _MIN_DARK) * lit.size
    ):
        return whole
    across, down = width / lit.shape[1], height / lit.shape[0]
    return FieldOfView(
        left=round(columns.start * across),
        top=round(rows.start * down),
        right=round(columns.stop * across),
        bottom=round(rows.stop * down),
        found=True,
    )


def crop_to_retina(image: Image.Image) -> Image.Image:
    """Cut the picture to the bounding box of the retina; the aspect is whatever that box has."""
    return image.crop(find_retina(image).box)


def _lit_pixels(image: Image.Image) -> npt.NDArray[np.bool_] | None:
    """(h, w) mask at 256 pixels or less, None where nothing stands out from the corners."""
    scale = min(1.0, _THUMBNAIL / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.convert("RGB").resize(size, Image.Resampling.BOX)
    smooth = small.filter(ImageFilter.MedianFilter(5))
    light = np.asarray(smooth).max(axis=2).astype(np.float32)
    h, w = light.shape
    ch, cw = max(1, round(h * _CORNER)), max(1, round(w * _CORNER))
    corners = (light[:ch, :cw], light[:ch, -cw:], light[-ch:, :cw], light[-ch:, -cw:])
    border = min(float(np.median(corner)) for corner in corners)
    middle = float(np.median(light[h // 4 : h - h // 4, w // 4 : w - w // 4]))
    if middle - border < _MIN_CONTRAST:
        return None
    lit: npt.NDArray[np.bool_] = light > border + max(_MIN_CONTRAST / 2, _LIT * (middle - border))
    return lit


def _extent(lit: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the disc."""
    rows, columns = slice(0, lit.shape[0]), slice(0, lit.shape[1])
    for _ in range(2):
        rows = _main_stretch(_longest_runs(lit[:, columns]))
        columns = _main_stretch(_longest_runs(lit[rows].T))
    return rows, columns


def _longest_runs(lit: npt.NDArray[np.bool_]) -> npt.NDArray[np.int_]:
    """The length of the longest run of lit pixels in each row."""
    count = np.cumsum(lit, axis=1)
    before = np.maximum.accumulate(np.where(lit, 0, count), axis=1)
    longest: npt.NDArray[np.int_] = (count - before).max(axis=1)
    return longest


def _main_stretch(chords: npt.NDArray[np.int_]) -> slice:
    """The longest stretch of chords that are not short beside the longest chord."""
    long = np.concatenate(([False], chords > _MIN_CHORD * chords.max(), [False]))
    edges = np.flatnonzero(long[1:] != long[:-1])
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return slice(0, 0)
    widest = int(np.argmax(stops - starts))
    return slice(int(starts[widest]), int(stops[widest]))
