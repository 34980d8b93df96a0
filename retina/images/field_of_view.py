"""Find the retina in a fundus photograph: the lit disc on the camera's dark border."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

cv2.setNumThreads(0)  # A forked worker would wait for its parent's threads forever.

_THUMBNAIL = 256
_CORNER = 1 / 16  # side of a corner, as a share of the image's
_MIN_CONTRAST = 6  # grey levels between the border and the middle of the image
_THRESHOLDS = (0.12, 0.25, 0.4)  # from the border's level (0) to that of the middle (1)
_MIN_CHORD = 0.06  # of the longest chord
_MIN_SIDE = 0.2  # of the image's side
_MAX_LIT = 0.95  # of the image
_MIN_ARC = 0.25  # of the disc's height or width
_MAX_MISFIT = 0.05  # of the disc's width


@dataclass(frozen=True)
class FieldOfView:
    """The bounding box of the retina, in pixels of the image that was searched.

    Attributes:
        left: First column.
        top: First row.
        right: One past the last column.
        bottom: One past the last row.
        found: Whether a lit disc on a dark border was seen; otherwise the box is the whole
            image.
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

    The image is searched at 256 pixels or less. A pixel is lit where its brightest channel
    stands out from the darkest corner by a share of what the middle of the image does, so that
    neither a dark image nor a border that is not quite black matters; the share rises until the
    outline is an ellipse's, so that a noisy border does not either. A row or column belongs to
    the disc where it has a run of lit pixels that is not short beside the longest, so that labels
    and time stamps do not widen the box. The disc may be cut off on any side, or squashed.

    Args:
        image: Upright RGB of any size.

    Returns:
        The box, the whole image with ``found`` False where there is no disc on a dark border:
        the retina fills the image but for its corners, or there is none.
    """
    width, height = image.size
    light = _light(image)
    across, down = width / light.shape[1], height / light.shape[0]
    border, middle = _levels(light)
    if middle - border >= _MIN_CONTRAST:
        for threshold in _THRESHOLDS:
            lit = light > border + max(_MIN_CONTRAST / 2, threshold * (middle - border))
            if lit.mean() > _MAX_LIT:
                break
            rows, columns = _extent(lit)
            if _is_disc(lit, rows, columns):
                return FieldOfView(
                    left=round(columns.start * across),
                    top=round(rows.start * down),
                    right=round(columns.stop * across),
                    bottom=round(rows.stop * down),
                    found=True,
                )
    return FieldOfView(0, 0, width, height, found=False)


def crop_to_retina(image: Image.Image) -> Image.Image:
    """Cut the image to the bounding box of the retina; the aspect is whatever that box has."""
    return image.crop(find_retina(image).box)


def _light(image: Image.Image) -> npt.NDArray[np.float32]:
    """(h, w) brightest channel, 0 to 255, at 256 pixels or less, without specks."""
    scale = min(1.0, _THUMBNAIL / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    red, green, blue = image.resize(size, Image.Resampling.BOX).split()
    brightest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return cv2.medianBlur(np.asarray(brightest), 5).astype(np.float32)


def _levels(light: npt.NDArray[np.float32]) -> tuple[float, float]:
    """The level of the darkest corner and that of the middle of the image."""
    h, w = light.shape
    ch, cw = max(1, round(h * _CORNER)), max(1, round(w * _CORNER))
    corners = (light[:ch, :cw], light[:ch, -cw:], light[-ch:, :cw], light[-ch:, -cw:])
    middle = light[h // 4 : h - h // 4, w // 4 : w - w // 4]
    return min(float(np.median(corner)) for corner in corners), float(np.median(middle))


def _extent(lit: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of the disc."""
    rows, columns = slice(0, lit.shape[0]), slice(0, lit.shape[1])
    for _ in range(2):
        rows = _main_stretch(_longest_runs(lit[:, columns]))
        columns = _main_stretch(_longest_runs(lit[rows].T))
    return rows, columns


def _longest_runs(lit: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The length of the longest run of lit pixels in each row.

    A run is what lies between two dark pixels; one more of these ends each row.
    """
    rows, columns = lit.shape
    dark = np.flatnonzero(~np.pad(lit, ((0, 0), (0, 1))))
    runs = np.diff(dark, prepend=-1) - 1
    longest: npt.NDArray[np.int64] = np.maximum.reduceat(
        runs, np.searchsorted(dark, np.arange(rows) * (columns + 1))
    )
    return longest


def _main_stretch(chords: npt.NDArray[np.int64]) -> slice:
    """The longest run of chords that are not much shorter than the longest."""
    long = np.concatenate(([False], chords > _MIN_CHORD * chords.max(), [False]))
    edges = np.flatnonzero(long[1:] != long[:-1])
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return slice(0, 0)
    widest = int(np.argmax(stops - starts))
    return slice(int(starts[widest]), int(stops[widest]))


def _is_disc(lit: npt.NDArray[np.bool_], rows: slice, columns: slice) -> bool:
    """Whether the box holds an ellipse of some size."""
    inside = lit[rows, columns]
    return (
        inside.shape[0] >= _MIN_SIDE * lit.shape[0]
        and inside.shape[1] >= _MIN_SIDE * lit.shape[1]
        and min(_misfit(inside), _misfit(inside.T)) <= _MAX_MISFIT
    )


def _misfit(lit: npt.NDArray[np.bool_]) -> float:
    """How far the rows' chords are from an ellipse's, as a share of the width; 1 without an arc.

    The square of an ellipse's chord is a parabola over the chord's position. It is fitted to the
    chords that end inside the box, because those that reach its sides may be cut off.
    """
    width = lit.shape[1]
    outermost = width - lit.argmax(axis=1) - lit[:, ::-1].argmax(axis=1)
    chords = np.where(lit.any(axis=1), outermost, 0) / width
    free = chords < 1 - 2 / width
    if free.mean() < _MIN_ARC:
        return 1.0
    position = np.linspace(-1, 1, len(chords))[free]
    parabola = np.polyfit(position, chords[free] ** 2, 2)
    if parabola[0] >= 0:
        return 1.0
    expected = np.sqrt(np.clip(np.polyval(parabola, position), 0, None))
    return float(np.median(np.abs(expected - chords[free])))
