"""The retinal vessels: eight trunks out of the optic disc, branching.

They are grown in the eye's own frame, the same for left and right eyes: the disc's centre at
(0, 0), x towards the temporal side (where the fovea is), y upwards.
"""

from collections import deque
from dataclasses import dataclass, replace
from math import atan2, cos, hypot, pi, sin

import numpy as np

from retina.datasets.drawing.canvas import Points, Shape

_STEP = 0.02
_CELL = 0.028
_THINNEST = 0.0034
_REACH = 2.1
_VASCULAR_FREE = 0.11
_FULL_STRENGTH_WIDTH = 0.011


@dataclass(frozen=True)
class Vessel:
    """One vessel from its root to its end.

    Attributes:
        points: (n, 2) centre line.
        widths: (n,) calibre.
        vein: A vein, or else an artery.
    """

    points: Points
    widths: Points
    vein: bool

    def shapes(self, relative_width: float = 1.0, strength: float = 1.0) -> list[Shape]:
        """Its outline in pieces, each as strong as its calibre makes the column of blood deep."""
        if len(self.points) < 3:
            return []
        direction = np.gradient(self.points, axis=0)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True) + 1e-12
        normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
        offset = normal * (self.widths * relative_width / 2)[:, None]
        left, right = self.points + offset, self.points - offset
        pieces = []
        for start in range(0, len(self.points) - 1, 12):
            part = slice(start, start + 13)
            depth = min(1.0, float(self.widths[part].mean()) / _FULL_STRENGTH_WIDTH) ** 0.6
            outline = np.concatenate([left[part], right[part][::-1]])
            pieces.append(Shape(outline, depth * strength))
        return pieces

    def beaded(self, where: Points) -> "Vessel":
        """The vessel with its calibre swelling and narrowing like a string of beads.

        Args:
            where: (n,) 0 to 1, how beaded each point is.
        """
        travelled = np.arange(len(self.points)) * _STEP
        beads = 0.55 * np.sin(2 * pi * travelled / 0.11)
        return replace(self, widths=self.widths * (1 + where * (0.25 + beads)))


@dataclass(frozen=True)
class _Bud:
    """Where a branch leaves its parent."""

    x: float
    y: float
    heading: float
    width: float
    parent: int
    depth: int


def grow_vessels(rng: np.random.Generator, fovea: tuple[float, float]) -> list[Vessel]:
    """Arteries and veins of one eye.

    Args:
        rng: Makes one eye differ from the next.
        fovea: Where the fovea lies in the eye's frame; the vessels leave it free.

    Returns:
        Veins first, trunks before their branches; arteries cross over veins.
    """
    tortuosity = rng.uniform(0.5, 1.5)
    calibre = rng.uniform(0.9, 1.15)
    spread = rng.uniform(0.66, 0.82)
    vessels: list[Vessel] = []
    for vein in (True, False):
        width = (0.026 if vein else 0.0185) * calibre
        trunks: list[tuple[Points, float]] = []
        for up in (1, -1):
            height = up * (spread + rng.uniform(-0.06, 0.06))
            trunks.append((_arcade(rng, height, tortuosity), width * rng.uniform(0.9, 1.1)))
            trunks.append((_nasal(rng, up, tortuosity), width * rng.uniform(0.6, 0.8)))
        vessels += _branch(rng, trunks, fovea, vein, tortuosity)
    return vessels


def _wander(rng: np.random.Generator, points: Points, tortuosity: float) -> Points:
    """Lets a smooth line meander, more so away from its root."""
    direction = np.gradient(points, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    travelled = np.arange(len(points)) * _STEP
    sway = np.zeros(len(points))
    for length, height in ((0.9, 0.03), (0.37, 0.012), (0.16, 0.004)):
        wave = 2 * pi * travelled / (length * rng.uniform(0.8, 1.25)) + rng.uniform(0, 2 * pi)
        sway += tortuosity * height * rng.normal() * np.sin(wave)
    sway *= np.minimum(1, travelled / 0.3)
    return points + np.stack([-direction[:, 1], direction[:, 0]], axis=1) * sway[:, None]


def _even(points: Points) -> Points:
    """The same line in steps of ``_STEP``."""
    travelled = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0, travelled[-1], _STEP)
    return np.stack([np.interp(at, travelled, points[:, i]) for i in (0, 1)], axis=1)


def _arcade(rng: np.random.Generator, height: float, tortuosity: float) -> Points:
    """A temporal arcade: a parabola that opens around the macula."""
    u = np.linspace(0, 1.55, 80)
    length = rng.uniform(0.68, 0.88)
    x = length * u**2 - 0.05 * np.sin(np.minimum(u * 4, pi)) + rng.uniform(-0.025, 0.015)
    y = height * u * (1 - 0.13 * u**2)
    return _wander(rng, _even(np.stack([x, y], axis=1)), tortuosity)


def _nasal(rng: np.random.Generator, up: int, tortuosity: float) -> Points:
    """A nasal trunk: nearly straight, away from the disc."""
    r = np.linspace(0, 1.3, 60)
    angle = up * (rng.uniform(1.75, 2.5) + rng.uniform(-0.2, 0.45) * r - 0.5 * np.exp(-r / 0.12))
    return _wander(rng, _even(np.stack([r * np.cos(angle), r * np.sin(angle)], 1)), tortuosity)


def _branch(
    rng: np.random.Generator,
    trunks: list[tuple[Points, float]],
    fovea: tuple[float, float],
    vein: bool,
    tortuosity: float,
) -> list[Vessel]:
    """Trunks with all that grows out of them; vessels of a kind keep out of each other's way."""
    vessels: list[Vessel] = []
    taken: dict[tuple[int, int], int] = {}
    buds: deque[_Bud] = deque()
    for points, width in trunks:
        number = len(vessels)
        widths = width * np.exp(-0.55 * np.arange(len(points)) * _STEP)
        vessels.append(Vessel(points, widths, vein))
        for x, y in points.tolist():
            taken.setdefault((int(x // _CELL), int(y // _CELL)), number)
        side = 1 if rng.random() < 0.5 else -1
        at = 0.16 + rng.uniform(0, 0.08)
        while (i := int(at / _STEP)) < len(points) - 2:
            (x, y), (ahead_x, ahead_y) = points[i].tolist(), points[i + 2].tolist()
            turn = side * rng.uniform(0.5, 1.0)
            heading = atan2(ahead_y - y, ahead_x - x) + turn
            share = rng.uniform(0.35, 0.8)
            buds.append(_Bud(x, y, heading, float(widths[i]) * share, number, 1))
            side = -side if rng.random() < 0.8 else side
            at += rng.uniform(0.1, 0.24)
    for up in (1, -1):
        for _ in range(int(rng.integers(1, 4))):
            heading = up * rng.uniform(0.25, 0.9)
            root = (0.05 * cos(heading), 0.05 * sin(heading))
            buds.append(_Bud(*root, heading, trunks[0][1] * rng.uniform(0.28, 0.42), -1, 1))
    while buds:
        vessel = _grow(rng, buds.popleft(), fovea, vein, tortuosity, taken, buds, len(vessels))
        vessels.append(vessel)
    return vessels


def _grow(
    rng: np.random.Generator,
    bud: _Bud,
    fovea: tuple[float, float],
    vein: bool,
    tortuosity: float,
    taken: dict[tuple[int, int], int],
    buds: deque[_Bud],
    number: int,
) -> Vessel:
    """One branch, step by step; its own branches are put into ``buds``."""
    x, y, heading, width, curl = bud.x, bud.y, bud.heading, bud.width, 0.0
    towards_fovea = cos(heading - atan2(fovea[1] - y, fovea[0] - x)) > 0.2
    points, widths = [(x, y)], [width]
    next_bud = rng.uniform(0.1, 0.22)
    shocks = rng.normal(0, 1.1 * tortuosity, 120).tolist()
    for i, shock in enumerate(shocks):
        to_x, to_y = fovea[0] - x, fovea[1] - y
        if towards_fovea:
            pull, wish = 1.6, atan2(to_y, to_x)
            if hypot(to_x, to_y) < _VASCULAR_FREE + 5 * width:
                break
        else:
            pull, wish = 1.1, atan2(y, x - 0.25)
        curl = 0.8 * curl + shock
        heading += _STEP * (curl + pull * sin(wish - heading))
        x, y = x + _STEP * cos(heading), y + _STEP * sin(heading)
        width *= 1 - 0.55 * _STEP
        cell = (int(x // _CELL), int(y // _CELL))
        if width < _THINNEST or hypot(x, y) > _REACH:
            break
        if i > 3 and taken.setdefault(cell, number) != number:
            break
        points.append((x, y))
        widths.append(width)
        next_bud -= _STEP
        if next_bud < 0 and bud.depth < 4 and width > 1.4 * _THINNEST:
            side = 1 if rng.random() < 0.5 else -1
            share = rng.uniform(0.5, 0.9)
            turn = heading + side * rng.uniform(0.5, 0.95)
            buds.append(_Bud(x, y, turn, width * share, number, bud.depth + 1))
            heading -= side * rng.uniform(0.1, 0.3)
            width *= 1 - 0.2 * share
            next_bud = rng.uniform(0.12, 0.3)
    return Vessel(np.array(points), np.array(widths), vein)
