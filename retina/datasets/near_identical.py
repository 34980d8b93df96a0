"""The same photograph saved again: smaller, brighter, compressed harder, squeezed."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from retina.images.field_of_view import crop_to_retina

SIDE = 32
THRESHOLD = 0.85

_FINE = 1.25  # pixels of the small square: what is smoother than this is lighting, not structure
_STRONGEST = 2.0  # of the median detail: the bright disc of the nerve is in every photograph
_RADIUS = 0.45  # of the side: the rim depends on the crop
_LEAST = 1.0  # grey levels, over the whole square: below this there is only rounding
_BLOCK = 1024


class NearPair(NamedTuple):
    """Two photographs that look alike, by their places, and how much, -1 to 1."""

    first: int
    second: int
    correlation: float


def small_square(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(32, 32) the green channel of the retina, which shows vessels and lesions best."""
    green = crop_to_retina(image).getchannel("G")
    return np.asarray(green.resize((SIDE, SIDE), Image.Resampling.BOX))


def near_identical(
    first: npt.NDArray[np.uint8],
    second: npt.NDArray[np.uint8] | None = None,
    threshold: float = THRESHOLD,
) -> list[NearPair]:
    """Find the pairs of photographs whose fine detail correlates.

    Fundus photographs all look alike, so that a usual perceptual hash finds the wrong ones: of the
    3,662 of APTOS 2019, a difference hash of 256 bits calls 33 pairs alike at 8 bits and 322 at 12,
    where 14 are. Here every pair is compared by the correlation of the small squares without what
    is smooth in them, the strongest detail held down.

    Args:
        first: (N, 32, 32), from ``small_square``.
        second: (M, 32, 32), to compare ``first`` with; each pair within ``first`` if None.
        threshold: Of the correlation, 0 to 1. ``docs/data-formats.md`` says what 0.85 finds.

    Returns:
        The pairs, most alike first.
    """
    details = _details(first)
    others = details if second is None else _details(second)
    pairs: list[NearPair] = []
    for start in range(0, len(details), _BLOCK):
        skipped = start if second is None else 0
        correlations = details[start : start + _BLOCK] @ others[skipped:].T
        pairs += [
            NearPair(start + int(row), skipped + int(column), float(correlations[row, column]))
            for row, column in np.argwhere(correlations >= threshold)
            if second is not None or row < column
        ]
    return sorted(pairs, key=lambda pair: (-pair.correlation, pair.first, pair.second))


def _details(squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, D) what is fine in each square, with mean 0 and length 1; 0 where there is nothing."""
    middle = (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE]
    disc = np.hypot(x - middle, y - middle) <= _RADIUS * SIDE
    weight = gaussian_filter(disc.astype(np.float32), _FINE)
    inside = squares * disc.astype(np.float32)
    smooth = gaussian_filter(inside, (0, _FINE, _FINE)) / np.maximum(weight, 1e-6)
    details = (squares - smooth)[:, disc].astype(np.float32)
    details -= details.mean(axis=1, keepdims=True)
    limit = _STRONGEST * np.median(np.abs(details), axis=1, keepdims=True)
    details = np.clip(details, -limit, limit)
    details -= details.mean(axis=1, keepdims=True)
    length = np.linalg.norm(details, axis=1, keepdims=True)
    return np.where(length >= _LEAST, details / np.maximum(length, _LEAST), 0).astype(np.float32)
