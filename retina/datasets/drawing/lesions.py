"""The lesions of diabetic retinopathy, by grade of the ICDR scale.

Kinds and numbers follow the scale's definitions (see ``retina.scale``). They are drawn about half
as large again as in life, so that they survive a reduction to 128 pixels. Every kind has random
numbers of its own, so that an eye keeps its lesions as its grade rises and gains new ones.
"""

from dataclasses import dataclass

import numpy as np

from retina.datasets.drawing.canvas import Points, Shape, blob
from retina.datasets.drawing.eye import Camera, Eye
from retina.datasets.drawing.vessels import Vessel

# Fewest and most of each kind, by grade 0 to 4.
_MICROANEURYSMS = ((0, 0), (5, 12), (10, 20), (16, 30), (12, 30))
_HAEMORRHAGES = ((0, 0), (0, 0), (6, 16), (21, 27), (4, 20))
"""In all, but for grade 3 in each of the four quadrants."""
_EXUDATE_CLUSTERS = ((0, 0), (0, 0), (1, 4), (1, 5), (0, 4))
_COTTON_WOOL_SPOTS = ((0, 0), (0, 0), (0, 1), (3, 7), (0, 3))


@dataclass(frozen=True)
class Lesions:
    """What is ill in one eye.

    Attributes:
        microaneurysms: Small red dots.
        haemorrhages: Dots, blots and flames within the retina.
        exudates: Small bright yellow deposits, in clusters.
        cotton_wool_spots: Pale fluffy patches.
        beaded: (n, 2) centres of the regions in which veins are beaded.
        new_vessels: Tangles of fine vessels, at the disc or elsewhere.
        preretinal: Blood in front of the retina, level at the top.
    """

    microaneurysms: tuple[Shape, ...]
    haemorrhages: tuple[Shape, ...]
    exudates: tuple[Shape, ...]
    cotton_wool_spots: tuple[Shape, ...]
    beaded: Points
    new_vessels: tuple[Vessel, ...]
    preretinal: tuple[Shape, ...]


def make_lesions(grade: int, eye: Eye, camera: Camera, seed: int) -> Lesions:
    """The lesions of an eye at a grade.

    Args:
        grade: 0 to 4.
        eye: Where its disc, fovea and vessels lie.
        camera: How much of it the picture shows.
        seed: The same seed gives the same lesions, and with a higher grade more of them.
    """
    field = _Field(eye, camera)
    dots, bleeds, fats, cotton, beads, new = (
        np.random.default_rng([seed, 1, kind]) for kind in range(6)
    )
    if grade == 3:
        haemorrhages = [
            _haemorrhage(bleeds, field, quadrant)
            for quadrant in range(4)
            for _ in range(_count(bleeds, _HAEMORRHAGES[grade]))
        ]
    else:
        number = _count(bleeds, _HAEMORRHAGES[grade])
        haemorrhages = [_haemorrhage(bleeds, field) for _ in range(number)]
    number = _count(dots, _MICROANEURYSMS[grade])
    microaneurysms = [_microaneurysm(dots, field) for _ in range(number)]
    number = _count(fats, _EXUDATE_CLUSTERS[grade])
    clusters = [_exudates(fats, field) for _ in range(number)]
    number = _count(cotton, _COTTON_WOOL_SPOTS[grade])
    new_vessels, preretinal = _proliferation(new, field) if grade == 4 else ([], [])
    return Lesions(
        microaneurysms=tuple(microaneurysms),
        haemorrhages=tuple(haemorrhages),
        exudates=tuple(shape for cluster in clusters for shape in cluster),
        cotton_wool_spots=tuple(_cotton_wool(cotton, field) for _ in range(number)),
        beaded=_beaded_regions(beads, eye) if grade == 3 else np.empty((0, 2)),
        new_vessels=tuple(new_vessels),
        preretinal=tuple(preretinal),
    )


@dataclass(frozen=True)
class _Field:
    """Where lesions may lie."""

    eye: Eye
    camera: Camera

    def place(
        self,
        rng: np.random.Generator,
        margin: float = 0.06,
        quadrant: int | None = None,
        around: tuple[tuple[float, float], float] | None = None,
    ) -> Points:
        """A point of the visible retina, off the disc and the very centre of the macula.

        Args:
            rng: Draws it.
            margin: Least distance from the border of the picture.
            quadrant: 0 to 3, or None for anywhere.
            around: A centre and a standard deviation to gather around, or None for evenly.
        """
        signs = None if quadrant is None else np.array([1 - 2 * (quadrant & 1), 1 - (quadrant & 2)])
        for _ in range(200):
            if around is None:
                point = rng.uniform(-1, 1, 2)
            else:
                point = np.array(around[0]) + rng.normal(0, around[1], 2)
            if signs is not None:
                point = np.abs(point) * signs
            if (
                np.hypot(*point) < 0.97 - margin
                and abs(point[1]) < self.camera.visible_half_height - margin
                and np.hypot(*(point - self.eye.disc)) > 1.25 * self.eye.disc_radius
                and np.hypot(*(point - self.eye.fovea)) > 0.08
            ):
                return point
        return np.array([0.0, 0.4])


def _count(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    low, high = bounds
    return low + int(rng.random() * (high - low + 1))


def _microaneurysm(rng: np.random.Generator, field: _Field) -> Shape:
    around = (field.eye.fovea, 0.4) if rng.random() < 0.6 else None
    centre = field.place(rng, around=around)
    return Shape(blob(rng, centre, rng.uniform(0.013, 0.019), roughness=0.1), rng.uniform(0.8, 1))


def _haemorrhage(rng: np.random.Generator, field: _Field, quadrant: int | None = None) -> Shape:
    centre = field.place(rng, quadrant=quadrant)
    strength = rng.uniform(0.6, 1.0)
    if rng.random() < 0.25:
        away = centre - field.eye.disc
        angle = float(np.arctan2(away[1], away[0])) + rng.normal(0, 0.2)
        radius, stretch = rng.uniform(0.02, 0.03), rng.uniform(2.5, 5)
        outline = blob(rng, centre, radius, stretch=stretch, angle=angle)
        return Shape(outline, strength)
    radius = 0.017 + 0.03 * rng.random() ** 3
    stretch, angle = rng.uniform(1, 1.6), rng.uniform(0, np.pi)
    outline = blob(rng, centre, radius, roughness=0.14, stretch=stretch, angle=angle)
    return Shape(outline, strength)


def _exudates(rng: np.random.Generator, field: _Field) -> list[Shape]:
    """A cluster, or a ring as around a leaking vessel."""
    centre = field.place(rng, margin=0.15, around=(field.eye.fovea, 0.33))
    ring, spread = rng.random() < 0.35, rng.uniform(0.04, 0.1)
    shapes = []
    for _ in range(int(rng.integers(8, 26))):
        angle = rng.uniform(0, 2 * np.pi)
        r = spread * (rng.normal(1, 0.12) if ring else abs(rng.normal(0, 0.7)))
        at = centre + r * np.array([np.cos(angle), np.sin(angle)])
        radius = rng.uniform(0.007, 0.013) * (1 + (rng.random() < 0.25))
        shapes.append(Shape(blob(rng, at, radius, roughness=0.3), rng.uniform(0.7, 1)))
    return shapes


def _cotton_wool(rng: np.random.Generator, field: _Field) -> Shape:
    centre = field.place(rng, margin=0.2, around=(field.eye.disc, 0.5))
    radius, stretch = rng.uniform(0.04, 0.065), rng.uniform(1, 1.8)
    angle = rng.uniform(0, np.pi)
    outline = blob(rng, centre, radius, roughness=0.3, stretch=stretch, angle=angle)
    return Shape(outline, rng.uniform(0.7, 0.95))


def _beaded_regions(rng: np.random.Generator, eye: Eye) -> Points:
    """Two or three of the regions that the four large veins run through."""
    trunks = [vessel.points for vessel in eye.vessels if vessel.vein][:4]
    chosen = rng.permutation(len(trunks))[: int(rng.integers(2, 4))]
    return np.array([trunks[i][min(len(trunks[i]) - 1, int(rng.integers(16, 30)))] for i in chosen])


def _proliferation(rng: np.random.Generator, field: _Field) -> tuple[list[Vessel], list[Shape]]:
    """New vessels, blood in front of the retina, or both."""
    eye = field.eye
    draw = rng.random()
    vessels: list[Vessel] = []
    if draw < 0.75:
        if rng.random() < 0.5:
            vessels += _tangle(rng, np.array(eye.disc), rng.uniform(0.2, 0.3))
        for _ in range(int(rng.integers(0 if vessels else 1, 3))):
            trunks = [vessel.points for vessel in eye.vessels if vessel.vein][:4]
            trunk = trunks[int(rng.integers(len(trunks)))]
            near = trunk[min(len(trunk) - 1, int(rng.integers(14, 40)))].tolist()
            root = field.place(rng, margin=0.15, around=((near[0], near[1]), 0.06))
            vessels += _tangle(rng, root, rng.uniform(0.11, 0.19))
    preretinal = [_boat(rng, field)] if draw > 0.4 else []
    return vessels, preretinal


def _tangle(rng: np.random.Generator, root: Points, radius: float) -> list[Vessel]:
    """A net of fine looping vessels that fans out of ``root``."""
    vessels = []
    for _ in range(int(rng.integers(16, 26))):
        n = 56
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.24, n))
        steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * radius / 18
        path = root + rng.normal(0, 0.15 * radius, 2) + np.cumsum(steps, axis=0)
        away = path - root
        distance = np.hypot(*away.T)[:, None] + 1e-9
        path = root + away * (radius * np.tanh(distance / radius) / distance)
        vessels.append(Vessel(path, np.full(n, rng.uniform(0.006, 0.011)), vein=False))
    return vessels


def _boat(rng: np.random.Generator, field: _Field) -> Shape:
    """Preretinal blood: it sinks, so its top is level and its bottom round."""
    half_width, depth = rng.uniform(0.16, 0.32), rng.uniform(0.12, 0.25)
    centre = field.place(rng, margin=0.3)
    turn = np.linspace(0, np.pi, 40)
    sag = np.sin(turn) ** rng.uniform(0.7, 1.0)
    waves = 1 + 0.05 * np.sin(4 * turn + rng.uniform(0, 6)) + 0.02 * np.sin(9 * turn)
    outline = np.stack([half_width * np.cos(turn), depth * sag * waves], axis=1)
    tilt = rng.normal(0, 0.06)
    cos, sin = np.cos(tilt), np.sin(tilt)
    return Shape(centre + outline @ np.array([[cos, sin], [-sin, cos]]), 1.0)
