"""A raster for relative coordinates."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

cv2.setNumThreads(0)  # A forked worker would wait for its parent's threads forever.

Plane = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

_COARSE_HEIGHT = 224
_NOISE_REACH = 1.75
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Shape:
    """A filled outline.

    Attributes:
        outline: (n, 2) corners, relative units.
        strength: 0 to 1, what the shape writes into a mask.
    """

    outline: Points
    strength: float = 1.0


@dataclass(frozen=True)
class Canvas:
    """A raster of relative coordinates.

    Attributes:
        width: Pixels.
        height: Pixels.
        scale: Pixels per relative unit, the radius of the lit disc.
    """

    width: int
    height: int
    scale: float

    @cached_property
    def x(self) -> Plane:
        """(1, width) relative x of the pixels' centres."""
        columns = np.arange(self.width, dtype=np.float32) + 0.5 - self.width / 2
        return (columns / self.scale)[None, :].astype(np.float32)

    @cached_property
    def y(self) -> Plane:
        """(height, 1) relative y of the pixels' centres."""
        rows = np.arange(self.height, dtype=np.float32) + 0.5 - self.height / 2
        return (rows / self.scale)[:, None].astype(np.float32)

    @cached_property
    def coarse(self) -> "Canvas":
        """The same coordinates on at most 224 rows: enough for all that changes slowly."""
        factor = min(1.0, _COARSE_HEIGHT / self.height)
        return Canvas(round(self.width * factor), round(self.height * factor), self.scale * factor)

    def enlarge(self, planes: Plane) -> Plane:
        """Brings what was drawn on ``coarse`` to this raster.

        Args:
            planes: (coarse.height, coarse.width) or (n, coarse.height, coarse.width).

        Returns:
            (height, width) or (n, height, width).
        """
        if planes.ndim == 3:
            return np.stack([self.enlarge(plane) for plane in planes])
        if planes.shape == (self.height, self.width):
            return planes
        size = (self.width, self.height)
        return np.asarray(cv2.resize(planes, size, interpolation=cv2.INTER_LINEAR), np.float32)

    def distance(self, centre: tuple[float, float]) -> Plane:
        """(height, width) relative distance of every pixel from ``centre``."""
        squared: Plane = np.square(self.x - centre[0]) + np.square(self.y - centre[1])
        return np.sqrt(squared)

    def window(self, centre: tuple[float, float], reach: float) -> tuple[slice, slice]:
        """Rows and columns of the square around ``centre`` that is twice ``reach`` wide."""
        ends = [
            (round(half + (at - reach) * self.scale), round(half + (at + reach) * self.scale))
            for at, half in ((centre[1], self.height / 2), (centre[0], self.width / 2))
        ]
        rows, columns = (slice(max(0, low), max(0, high)) for low, high in ends)
        return rows, columns

    def mask(self, shapes: Iterable[Shape], blur: float = 0.0) -> Plane | None:
        """Coverage by shapes, 0 to 1; where they overlap, the strongest counts.

        Args:
            shapes: What to fill.
            blur: Standard deviation of a Gaussian that softens the edges, relative units.

        Returns:
            (height, width), or None where there is no shape, so that nothing need be computed.
        """
        shapes = sorted(shapes, key=lambda shape: shape.strength)
        if not shapes:
            return None
        oversampling = 2 if self.height >= 512 else 4
        fine = np.zeros((self.height * oversampling, self.width * oversampling), np.uint8)
        centre = np.array([self.width, self.height]) / 2
        for shape in shapes:
            corners = (shape.outline * self.scale + centre) * oversampling - 0.5
            fixed = np.rint(corners * (1 << _SUBPIXEL_BITS)).astype(np.int32)
            level = round(255 * shape.strength)
            cv2.fillPoly(fine, [fixed], (level,), lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
        size = (self.width, self.height)
        coverage = cv2.resize(fine, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        coverage /= 255
        return self.blurred(coverage, blur)

    def blurred(self, plane: Plane, blur: float) -> Plane:
        """(height, width[, channels]) softened by a Gaussian of ``blur`` relative units."""
        sigma = blur * self.scale
        if sigma < 0.2:
            return plane
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), plane.dtype)

    def noise(self, rng: np.random.Generator, cell: float) -> Plane:
        """Smooth noise of mean 0 and standard deviation of about 1, the same at every resolution.

        Args:
            rng: Its next child is drawn from, so that what follows does not depend on ``cell``.
            cell: Size of the noise's grain, relative units.

        Returns:
            (height, width); 0 where a pixel is larger than a grain.
        """
        (child,) = rng.spawn(1)
        if cell * self.scale < 1:
            return np.zeros((self.height, self.width), np.float32)
        n = round(2 * _NOISE_REACH / cell)
        grid = child.standard_normal((n, n), dtype=np.float32)
        zoom = n / 2 / _NOISE_REACH / self.scale
        into_grid = [
            [zoom, 0, n / 2 - 0.5 + zoom * (0.5 - self.width / 2)],
            [0, zoom, n / 2 - 0.5 + zoom * (0.5 - self.height / 2)],
        ]
        size = (self.width, self.height)
        how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        smooth = cv2.warpAffine(grid, np.array(into_grid), size, flags=how)
        return np.asarray(smooth, np.float32)


def blobs(
    rng: np.random.Generator,
    centres: Points,
    radii: Points | float,
    *,
    roughness: float = 0.2,
    stretch: Points | float = 1.0,
    angles: Points | float = 0.0,
    corners: int = 32,
) -> Points:
    """Irregular round outlines.

    Args:
        rng: The source of their irregularity.
        centres: (n, 2) where they lie.
        radii: (n,) their mean radii.
        roughness: How far an outline strays from an ellipse, relative to the radius.
        stretch: (n,) length over width.
        angles: (n,) directions of their lengths, radians.
        corners: Of each outline.

    Returns:
        (n, corners, 2).
    """
    n = len(centres)
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    waves = np.arange(2, 8)
    phase = rng.uniform(0, 2 * np.pi, (n, 1, len(waves)))
    height = rng.normal(0, roughness, (n, 1, len(waves))) / np.sqrt(waves)
    ripple = (height * np.sin(turn[:, None] * waves + phase)).sum(2)
    r = np.reshape(radii, (-1, 1)) * np.clip(1 + ripple, 0.35, 2.0)
    longer = np.sqrt(np.reshape(stretch, (-1, 1)))
    along, across = r * np.cos(turn) * longer, r * np.sin(turn) / longer
    cos, sin = np.cos(np.reshape(angles, (-1, 1))), np.sin(np.reshape(angles, (-1, 1)))
    offsets: Points = np.stack([along * cos - across * sin, along * sin + across * cos], axis=2)
    return centres[:, None] + offsets
