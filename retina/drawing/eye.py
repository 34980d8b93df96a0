"""The eye in the photograph: framing, camera, and retinal vessels that branch from eight trunks.

They are grown in the eye's own frame, the same for left and right eyes: the disc's centre at
(0, 0), x towards the temporal side (where the fovea is), y upwards.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from math import atan2, cos, hypot, pi, sin

import numpy as np

from retina.drawing.canvas import Points, Shape

_STEP = 0.02
_CELL = 0.03
_THINNEST = 0.0036
_REACH = 2.1
_VASCULAR_FREE = 0.12
_FULL_STRENGTH_WIDTH = 0.013
_ROOT = (-0.022, 0.0)
"""The vessels come out of the nasal part of the disc."""
_CROSSES = 0.009
"""The least calibre at which an artery goes on where it meets a vein, or a vein an artery."""


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
        if len(self.points) < 4:
            return []
        points, widths = _refined(self.points), _refined(self.widths)
        direction = np.empty_like(points)
        direction[1:-1] = points[2:] - points[:-2]
        direction[0], direction[-1] = points[1] - points[0], points[-1] - points[-2]
        half = widths * relative_width / 2 / (np.hypot(direction[:, 0], direction[:, 1]) + 1e-12)
        offset = np.stack([-direction[:, 1] * half, direction[:, 0] * half], axis=1)
        left, right = points + offset, points - offset
        depth = strength * np.minimum(1, widths / _FULL_STRENGTH_WIDTH) ** 0.7
        pieces = []
        for start in range(0, len(points) - 1, 12):
            part = slice(start, start + 13)
            outline = np.concatenate([left[part], right[part][::-1]])
            pieces.append(Shape(outline, float(depth[part].sum()) / len(left[part])))
        return pieces

    def beaded(self, where: Points) -> "Vessel":
        """The vessel with its calibre swelling and narrowing like a string of beads.

        Args:
            where: (n,) 0 to 1, how beaded each point is.
        """
        travelled = np.arange(len(self.points)) * _STEP
        beads = 0.5 * np.sin(2 * pi * travelled / 0.1)
        return replace(self, widths=self.widths * (1 + where * (0.2 + beads)))


def _refined(line: Points) -> Points:
    """(2n - 1, ...) the line with a point between each two, on the cubic through its neighbours."""
    fine = np.empty((2 * len(line) - 1, *line.shape[1:]))
    fine[::2] = line
    fine[1::2] = (line[:-1] + line[1:]) / 2
    fine[3:-3:2] += (line[1:-2] + line[2:-1] - line[:-3] - line[3:]) / 16
    return fine


@dataclass(frozen=True)
class _Bud:
    """Where a branch leaves its parent."""

    x: float
    y: float
    heading: float
    width: float
    depth: int
    vein: bool


def grow_vessels(rng: np.random.Generator, fovea: tuple[float, float]) -> list[Vessel]:
    """Arteries and veins of one eye.

    Args:
        rng: Makes one eye differ from the next.
        fovea: Where the fovea lies in the eye's frame; the vessels leave it free.

    Returns:
        Veins first, trunks before their branches; arteries cross over veins.
    """
    tree = _Tree(rng, fovea, tortuosity=rng.uniform(0.55, 1.4))
    calibre = rng.uniform(0.85, 1.1)
    spread = rng.uniform(0.6, 0.78)
    for vein in (True, False):
        width = (0.0255 if vein else 0.0175) * calibre
        for up in (1, -1):
            height = up * (spread + rng.uniform(-0.07, 0.07))
            tree.add_trunk(_arcade(rng, height), width * rng.uniform(0.9, 1.1), vein)
            tree.add_trunk(_nasal(rng, up), width * rng.uniform(0.55, 0.75), vein)
        tree.add_small_roots(width, vein)
        tree.grow()
    return sorted(tree.vessels, key=lambda vessel: not vessel.vein)


def _even(points: Points) -> Points:
    """The same line in steps of ``_STEP``."""
    travelled = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0, travelled[-1], _STEP)
    return np.stack([np.interp(at, travelled, points[:, i]) for i in (0, 1)], axis=1)


def _arcade(rng: np.random.Generator, height: float) -> Points:
    """A temporal arcade: a parabola that opens around the macula."""
    u = np.linspace(0, 1.55, 80)
    length = rng.uniform(0.64, 0.86)
    x = length * u**2 - 0.05 * np.sin(np.minimum(u * 4, pi)) + rng.uniform(-0.03, 0.01)
    y = height * u * (1 - 0.13 * u**2)
    return _even(np.stack([x + _ROOT[0], y + _ROOT[1]], axis=1))


def _nasal(rng: np.random.Generator, up: int) -> Points:
    """A nasal trunk: nearly straight, away from the disc."""
    r = np.linspace(0, 1.3, 60)
    angle = up * (rng.uniform(1.75, 2.5) + rng.uniform(-0.2, 0.45) * r - 0.6 * np.exp(-r / 0.12))
    return _even(np.stack([r * np.cos(angle) + _ROOT[0], r * np.sin(angle) + _ROOT[1]], 1))


@dataclass
class _Tree:
    """Vessels that keep out of each other's way."""

    rng: np.random.Generator
    fovea: tuple[float, float]
    tortuosity: float
    vessels: list[Vessel] = field(default_factory=list)
    buds: deque[_Bud] = field(default_factory=deque)
    # The first vessel in each cell of a grid, by its number, and whether that is a vein.
    taken: dict[tuple[int, int], tuple[int, bool]] = field(default_factory=dict)

    def add_trunk(self, points: Points, width: float, vein: bool) -> None:
        """A vessel along given points, and buds on both of its sides."""
        rng, number = self.rng, len(self.vessels)
        points = self._wander(points)
        widths = width * np.exp(-0.5 * np.arange(len(points)) * _STEP)
        self.vessels.append(Vessel(points, widths, vein))
        for x, y in points.tolist():
            self.taken.setdefault((int(x // _CELL), int(y // _CELL)), (number, vein))
        side = 1 if rng.random() < 0.5 else -1
        at = 0.17 + rng.uniform(0, 0.1)
        while (i := int(at / _STEP)) < len(points) - 2:
            (x, y), (ahead_x, ahead_y) = points[i].tolist(), points[i + 2].tolist()
            heading = atan2(ahead_y - y, ahead_x - x) + side * rng.uniform(0.6, 1.15)
            share = rng.uniform(0.3, 0.75)
            self.buds.append(_Bud(x, y, heading, float(widths[i]) * share, 1, vein))
            side = -side if rng.random() < 0.75 else side
            at += rng.uniform(0.1, 0.3)

    def add_small_roots(self, width: float, vein: bool) -> None:
        """Buds of the small vessels that leave the disc by themselves, most towards the macula."""
        rng = self.rng
        for up in (1, -1):
            headings = rng.uniform(0.2, 0.95, int(rng.integers(1, 3))).tolist()
            headings += rng.uniform(1.9, 3.0, int(rng.integers(0, 2))).tolist()
            for heading in headings:
                thin = width * rng.uniform(0.25, 0.4)
                x, y = (_ROOT + rng.uniform(-0.03, 0.03, 2)).tolist()
                self.buds.append(_Bud(x, y, up * heading, thin, 0, vein))

    def grow(self) -> None:
        """Lets all buds grow into branches."""
        while self.buds:
            self.vessels.append(self._branch(self.buds.popleft()))

    def _wander(self, points: Points) -> Points:
        """Lets a smooth line meander, more so away from its root."""
        rng = self.rng
        direction = np.gradient(points, axis=0)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        travelled = np.arange(len(points)) * _STEP
        sway = np.zeros(len(points))
        for length, height in ((0.9, 0.03), (0.37, 0.013), (0.19, 0.006), (0.1, 0.0015)):
            wave = 2 * pi * travelled / (length * rng.uniform(0.8, 1.25)) + rng.uniform(0, 2 * pi)
            sway += self.tortuosity * height * rng.normal() * np.sin(wave)
        sway *= np.minimum(1, travelled / 0.3)
        return points + np.stack([-direction[:, 1], direction[:, 0]], axis=1) * sway[:, None]

    def _branch(self, bud: _Bud) -> Vessel:
        """One branch, step by step; its own branches are put into ``buds``."""
        rng, number, fovea = self.rng, len(self.vessels), self.fovea
        x, y, heading, width, curl = bud.x, bud.y, bud.heading, bud.width, 0.0
        towards_fovea = cos(heading - atan2(fovea[1] - y, fovea[0] - x)) > 0.2
        points, widths = [(x, y)], [width]
        next_bud = rng.uniform(0.08, 0.22)
        shocks = rng.normal(0, self.tortuosity, 110).tolist()
        for i, shock in enumerate(shocks):
            to_x, to_y = fovea[0] - x, fovea[1] - y
            if towards_fovea:
                pull, wish = 1.4, atan2(to_y, to_x)
                if hypot(to_x, to_y) < _VASCULAR_FREE + 6 * width:
                    break
            else:
                pull, wish = 1.0, atan2(y, x - 0.25)
            # The thinner, the more winding.
            curl = 0.75 * curl + shock * (1.3 + 2.4 * max(0.0, 1 - width / 0.014))
            heading += _STEP * (curl + pull * sin(wish - heading))
            x, y = x + _STEP * cos(heading), y + _STEP * sin(heading)
            width *= 1 - 0.5 * _STEP
            if width < _THINNEST or hypot(x, y) > _REACH:
                break
            if i > 3:
                cell = (int(x // _CELL), int(y // _CELL))
                met, vein = self.taken.setdefault(cell, (number, bud.vein))
                if met != number and (vein == bud.vein or width < _CROSSES):
                    break
            points.append((x, y))
            widths.append(width)
            next_bud -= _STEP
            if next_bud < 0 and bud.depth < 4 and width > 1.3 * _THINNEST:
                side = 1 if rng.random() < 0.5 else -1
                share = rng.uniform(0.55, 0.95)
                turn = heading + side * rng.uniform(0.5, 1.0)
                self.buds.append(_Bud(x, y, turn, width * share, bud.depth + 1, bud.vein))
                heading -= side * rng.uniform(0.15, 0.4)
                width *= 1 - 0.25 * share
                next_bud = rng.uniform(0.1, 0.3)
        fade = np.minimum(1, (np.arange(len(points), 0, -1) + 1) / 8)
        if bud.depth == 0:
            fade *= np.minimum(1, (np.arange(len(points)) + 1) / 6)
        return Vessel(np.array(points), np.array(widths) * fade, bud.vein)


@dataclass(frozen=True)
class Camera:
    """What the camera makes of the eye.

    Attributes:
        aspect: Width of the image over its height.
        radius: Radius of the lit disc over the height of the image; above 0.5 it is cut off at
            top and bottom.
        notch: Angle of the tab at the disc's border, radians, or None.
        exposure: Factor on all light.
        tint: (3,) factors on red, green and blue.
        light: Where the light falls brightest.
        vignette: 0 to 1, how much darker the border is.
        haze: (3,) colour of the stray light along one side of the border.
        haze_angle: Which side, radians.
        blur: Standard deviation of the lens's blur, relative units.
        noise: Standard deviation of the sensor's noise, of 255.
    """

    aspect: float
    radius: float
    notch: float | None
    exposure: float
    tint: Points
    light: tuple[float, float]
    vignette: float
    haze: Points
    haze_angle: float
    blur: float
    noise: float

    @property
    def visible_half_height(self) -> float:
        """How far the image reaches up and down from its centre, relative units."""
        return min(1.0, 0.5 / self.radius)


@dataclass(frozen=True)
class Eye:
    """The fundus in the photograph's coordinates.

    Attributes:
        right: A right eye, whose disc lies on the right, or else a left one.
        disc: Centre of the optic disc.
        disc_radius: Its radius.
        cup: Radius of its cup over its own.
        fovea: Centre of the fovea.
        colour: (3,) reflectance of the fundus in red, green and blue, 0 to 1.
        macula: How dark the macula is.
        mottling: How uneven the pigment is.
        crescent: How pale the crescent at the temporal border of the disc is; mostly 0.
        tessellation: How far the choroid shines through.
        sheen: How much the nerve fibres shine, as they do in the young.
        vessels: Veins, then arteries.
    """

    right: bool
    disc: tuple[float, float]
    disc_radius: float
    cup: float
    fovea: tuple[float, float]
    colour: Points
    macula: float
    mottling: float
    crescent: float
    tessellation: float
    sheen: float
    vessels: tuple[Vessel, ...]


def make_camera(rng: np.random.Generator) -> Camera:
    """A camera, its light and its exposure."""
    style = rng.random()
    if style < 0.4:
        aspect, radius = rng.choice([4 / 3, 1.5]), rng.uniform(0.46, 0.495)
    elif style < 0.75:
        aspect, radius = rng.choice([1.5, 1.4]), rng.uniform(0.54, 0.61)
    else:
        aspect, radius = 1.0, rng.uniform(0.47, 0.495)
    haze_amount = rng.uniform(0, 0.45) if rng.random() < 0.55 else 0.0
    haze_colour = np.array([0.75, 0.9, 1.0]) ** rng.uniform(-0.6, 2.0)
    return Camera(
        aspect=float(aspect),
        radius=radius,
        notch=rng.choice([-0.75, -0.5, 0.6, 0.8]) if rng.random() < 0.5 else None,
        exposure=float(np.exp(rng.uniform(-0.45, 0.6))),
        tint=np.exp(rng.normal(0, 1, 3) * np.array([0.12, 0.12, 0.24])),
        light=(rng.normal(0, 0.3), rng.normal(0, 0.2)),
        vignette=rng.uniform(0.15, 0.75),
        haze=haze_amount * haze_colour,
        haze_angle=rng.uniform(-np.pi, np.pi),
        blur=rng.uniform(0.0015, 0.0038),
        noise=rng.uniform(1.0, 3.0),
    )


def make_eye(rng: np.random.Generator) -> Eye:
    """An eye, left or right, and how the photograph frames it."""
    right = bool(rng.random() < 0.5)
    zoom = rng.uniform(0.92, 1.12)
    to_fovea = (rng.uniform(0.66, 0.74), rng.uniform(-0.13, -0.03))
    tilt = rng.normal(0, 0.06)
    if rng.random() < 0.8:
        fovea_at = (rng.normal(0.0, 0.07), rng.normal(0.02, 0.06))
    else:
        fovea_at = (-0.5 + rng.normal(0, 0.06), rng.normal(0.05, 0.06))
    pigment = rng.uniform(0, 1)
    pale = rng.uniform(0, 1)
    colour = np.array([1.0 - 0.25 * pigment, 0.32 + 0.2 * pale, 0.09 + 0.24 * pale**1.4])
    colour[1:] *= 1 - 0.25 * pigment

    mirror = -1.0 if right else 1.0
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    # Temporal is away from the disc: to the left in a right eye; and y turns to point down.
    into_picture = zoom * np.diag([mirror, -1.0]) @ turn
    shift = np.array([-mirror * fovea_at[0], fovea_at[1]]) - into_picture @ np.array(to_fovea)

    def place(points: Points) -> Points:
        placed: Points = points @ into_picture.T + shift
        return placed

    disc, fovea = place(np.array([(0.0, 0.0), to_fovea])).tolist()
    return Eye(
        right=right,
        disc=(disc[0], disc[1]),
        disc_radius=zoom * rng.uniform(0.122, 0.15),
        cup=rng.uniform(0.3, 0.6),
        fovea=(fovea[0], fovea[1]),
        colour=colour,
        macula=rng.uniform(0.45, 1.0),
        mottling=rng.uniform(0.6, 1.4),
        crescent=max(0.0, rng.uniform(-1.2, 0.8)),
        tessellation=rng.uniform(0.0, 1.0) ** 2,
        sheen=max(0.0, rng.uniform(-0.3, 0.4)),
        vessels=tuple(
            Vessel(place(vessel.points), zoom * vessel.widths, vessel.vein)
            for vessel in grow_vessels(rng, to_fovea)
        ),
    )
