"""Identical and near-identical photographs, found by their pixels."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from retina.datasets.cache import remembered
from retina.datasets.parallel import Unreadable
from retina.images.decode import load_fundus
from retina.images.field_of_view import crop_to_retina


@dataclass(frozen=True)
class Fingerprint:
    """What identifies a photograph, and what it looks like.

    Attributes:
        digest: Digest of the image at full size, from ``digest_of``.
        width: Width of the upright image, in pixels.
        height: Height of the upright image, in pixels.
        square: (32, 32) uint8, from ``small_square``.
    """

    digest: str
    width: int
    height: int
    square: npt.NDArray[np.uint8]


def look_at(paths: Sequence[str]) -> list[Fingerprint | Unreadable]:
    """Compute the fingerprints of many photographs, in several processes; they are cached.

    Returns:
        A look for each path, in their order, or why there is none.
    """
    seen = remembered(_look, paths, list, "looks-1", "Looking at pictures")
    return [value if isinstance(value, Unreadable) else _read(value) for value in seen]


def alike_rows(
    table: pd.DataFrame, looks: Mapping[int, Fingerprint | Unreadable]
) -> list[tuple[int, int]]:
    """Find the pairs of rows with near-identical photographs, as ``split`` takes them.

    Args:
        table: Rows whose photographs could be read.
        looks: By the index of ``table``.
    """
    squares = [look.square for row in table.index if isinstance(look := looks[row], Fingerprint)]
    pairs = near_identical(np.stack(squares)) if squares else []
    return [(table.index[pair.first], table.index[pair.second]) for pair in pairs]


def _look(path: str) -> list[object]:
    image = load_fundus(path)
    square = base64.b64encode(small_square(image).tobytes()).decode()
    return [digest_of(image), image.width, image.height, square]


def _read(value: list[object]) -> Fingerprint:
    digest, width, height, square = value
    pixels = np.frombuffer(base64.b64decode(str(square)), dtype=np.uint8)
    return Fingerprint(
        str(digest),
        int(str(width)),
        int(str(height)),
        pixels.reshape(FINGERPRINT_SIDE, FINGERPRINT_SIDE),
    )


FINGERPRINT_SIDE = 32
THRESHOLD = 0.85

_FINE = 1.25  # pixels of the small square: what is smoother than this is lighting, not structure
_STRONGEST = 2.0  # of the median detail: the bright disc of the nerve is in every photograph
_RADIUS = 0.45  # of the side: the rim depends on the crop
_LEAST = 1.0  # grey levels, over the whole square: below this there is only rounding
_BLOCK = 1024


class NearPair(NamedTuple):
    """The positions of two photographs that look alike, and their correlation, -1 to 1."""

    first: int
    second: int
    correlation: float


def small_square(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(32, 32) the green channel of the retina, which shows vessels and lesions best."""
    green = crop_to_retina(image).getchannel("G")
    return np.asarray(green.resize((FINGERPRINT_SIDE, FINGERPRINT_SIDE), Image.Resampling.BOX))


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
        threshold: Correlation from which two are near-identical, 0 to 1;
            ``docs/data-formats.md`` says what 0.85 finds.

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
    """(N, D) fine detail of each square, with mean 0 and length 1; 0 where there is none."""
    middle = (FINGERPRINT_SIDE - 1) / 2
    y, x = np.mgrid[:FINGERPRINT_SIDE, :FINGERPRINT_SIDE]
    disc = np.hypot(x - middle, y - middle) <= _RADIUS * FINGERPRINT_SIDE
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


@dataclass(frozen=True)
class IdenticalReport:
    """What ``drop_identical`` found and kept.

    Attributes:
        groups: Groups of two or more photographs with the same pixels.
        files: Photographs in those groups.
        conflicting_groups: Groups whose photographs carry different grades; dropped whole.
        left: Photographs left.
        unreadable: Photographs that could not be decoded, each with its reason; dropped.
    """

    groups: int
    files: int
    conflicting_groups: int
    left: int
    unreadable: tuple[Unreadable, ...]


def drop_identical(
    table: pd.DataFrame, digests: Sequence[str | Unreadable]
) -> tuple[pd.DataFrame, IdenticalReport]:
    """Keep one photograph of each group of identical ones, and none where their grades conflict.

    Args:
        table: ``image_id`` and ``grade``, as in ``Catalog.table``.
        digests: Digest of each row's pixels at full size, from ``digest_of``; photographs that
            cannot be read are dropped.

    Returns:
        The rows left, with the index they had, and what was found. Of identical photographs the one
        whose ``image_id`` sorts first is left.
    """
    unreadable = tuple(digest for digest in digests if isinstance(digest, Unreadable))
    of_row = pd.Series(
        [None if isinstance(digest, Unreadable) else digest for digest in digests],
        index=table.index,
        dtype="object",
    )
    rows = table.assign(digest=of_row)[of_row.notna()]
    by_digest = rows.groupby("digest")
    sizes, opinions = by_digest.size(), by_digest["grade"].nunique()
    conflicting = opinions.index[opinions > 1]
    agreed = rows[~rows["digest"].isin(conflicting)]
    order = ["image_id", *(["source"] if "source" in agreed else [])]
    first = agreed.sort_values(order).drop_duplicates("digest").index
    left = table[table.index.isin(first)]
    report = IdenticalReport(
        groups=int((sizes > 1).sum()),
        files=int(sizes[sizes > 1].sum()),
        conflicting_groups=len(conflicting),
        left=len(left),
        unreadable=unreadable,
    )
    return left, report


def digest_of(image: Image.Image) -> str:
    """SHA-256, in hex, of an upright RGB photograph's size and of its pixels."""
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
