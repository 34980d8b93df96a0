"""The pixels that relative coordinates are drawn on."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Array = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

_OVERSAMPLING = 3
_NOISE_REACH = 1.75


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
    def x(self) -> Array:
        """(1, width) relative x of the pixels' centres."""
        columns = np.arange(self.width, dtype=np.float32) + 0.5 - self.width / 2
        return (columns / self.scale)[None, :].astype(np.float32)

    @cached_property
    def y(self) -> Array:
        """(height, 1) relative y of the pixels' centres."""
        rows = np.arange(self.height, dtype=np.float32) + 0.5 - self.height / 2
        return (rows / self.scale)[:, None].astype(np.float32)

    def distance(self, centre: tuple[float, float]) -> Array:
        """(height, width) relative distance of every pixel from ``centre``."""
        squared: Array = np.square(self.x - centre[0]) + np.square(self.y - centre[1])
        return np.sqrt(squared)

    def mask(self, shapes: Iterable[Shape], blur: float = 0.0) -> Array | None:
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
        fine = Image.new("L", (self.width * _OVERSAMPLING, self.height * _OVERSAMPLING))
        pen = ImageDraw.Draw(fine)
        centre = np.array([self.width, self.height]) / 2
        for shape in shapes:
            corners = (shape.outline * self.scale + centre) * _OVERSAMPLING - 0.5
            pen.polygon(corners.ravel().tolist(), fill=round(255 * shape.strength))
        coverage = fine.reduce(_OVERSAMPLING)
        if blur:
            coverage = coverage.filter(ImageFilter.GaussianBlur(blur * self.scale))
        return np.asarray(coverage, dtype=np.float32) / np.float32(255)

    def noise(self, rng: np.random.Generator, cell: float) -> Array:
        """Smooth noise of mean 0 and standard deviation of about 1, the same at every resolution.

        Args:
            rng: Drawn from once, by an amount that depends on ``cell`` alone.
            cell: Size of the noise's grain, relative units.

        Returns:
            (height, width).
        """
        n = round(2 * _NOISE_REACH / cell)
        grid = Image.fromarray(rng.standard_normal((n, n), dtype=np.float32))
        half = np.array([self.width, self.height]) / 2 / self.scale
        box = np.concatenate([_NOISE_REACH - half, _NOISE_REACH + half]) * (n / 2 / _NOISE_REACH)
        size = (self.width, self.height)
        return np.asarray(grid.resize(size, Image.Resampling.BICUBIC, tuple(box.tolist())))


def blob(
    rng: np.random.Generator,
    centre: Points,
    radius: float,
    *,
    roughness: float = 0.2,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> Points:
    """An irregular round outline.

    Args:
        rng: The source of its irregularity.
        centre: (2,) where it lies.
        radius: Its mean radius.
        roughness: How far the outline strays from an ellipse, relative to the radius.
        stretch: Length over width.
        angle: Direction of its length, radians.

    Returns:
        (32, 2) corners.
    """
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    waves = np.arange(2, 6)
    phase = rng.uniform(0, 2 * np.pi, len(waves))
    height = rng.normal(0, roughness, len(waves)) / np.sqrt(waves)
    r = radius * np.clip(1 + (height * np.sin(turn[:, None] * waves + phase)).sum(1), 0.35, 2.0)
    along, across = r * np.cos(turn) * np.sqrt(stretch), r * np.sin(turn) / np.sqrt(stretch)
    cos, sin = np.cos(angle), np.sin(angle)
    offset: Points = np.stack([along * cos - across * sin, along * sin + across * cos], axis=1)
    return centre + offset
