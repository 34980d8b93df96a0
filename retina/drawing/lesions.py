"""The lesions of diabetic retinopathy, by grade of the ICDR scale.

Kinds and numbers follow the scale's definitions (see ``retina.scale``). They are drawn about half
as large again as in life, so that they survive a reduction to 128 pixels. Every kind has random
numbers of its own, so that an eye keeps its lesions as its grade rises and gains new ones.
"""

from dataclasses import dataclass

import numpy as np

from retina.drawing.canvas import Points, Shape, blobs
from retina.drawing.eye import Camera, Eye, Vessel

# Fewest and most of each kind, by grade 0 to 4.
_MICROANEURYSMS = ((0, 0), (5, 12), (10, 20), (16, 30), (12, 30))
_HAEMORRHAGES = ((0, 0), (0, 0), (6, 16), (21, 27), (4, 20))
"""In all, but for grade 3 in each of the four quadrants."""
_EXUDATE_CLUSTERS = ((0, 0), (0, 0), (1, 4), (1, 5), (0, 4))
_COTTON_WOOL_SPOTS = ((0, 0), (0, 0), (0, 1), (3, 7), (0, 3))


@dataclass(frozen=True)
class Lesions:
    """The lesions of one eye.

    Attributes:
        microaneurysms: Small red dots.
        haemorrhages: Dots, blots and flames within the retina.
        exudates: Small bright yellow deposits, in clusters.
        cotton_wool_spots: Pale fluffy patches, of several tufts each.
        beaded: (n, 2) centres of the regions in which veins are beaded.
        irma: Short winding vessels within the retina (intraretinal microvascular abnormalities).
        new_vessels: Tangles of fine vessels, at the disc or elsewhere.
        preretinal: Blood in front of the retina, level at the top.
    """

    microaneurysms: tuple[Shape, ...]
    haemorrhages: tuple[Shape, ...]
    exudates: tuple[Shape, ...]
    cotton_wool_spots: tuple[Shape, ...]
    beaded: Points
    irma: tuple[Vessel, ...]
    new_vessels: tuple[Vessel, ...]
    preretinal: tuple[Shape, ...]


def make_lesions(grade: int, eye: Eye, camera: Camera, seed: int) -> Lesions:
    """The lesions of an eye at a grade.

    Args:
        grade: 0 to 4.
        eye: Where its disc, fovea and vessels lie.
        camera: How much of it the image shows.
        seed: The same seed gives the same lesions, and with a higher grade more of them.
    """
    field = _Field(eye, camera)
    dots, bleeds, fats, cotton, beads, new, shunts = (
        np.random.default_rng([seed, 1, kind]) for kind in range(7)
    )
    severe, proliferative = grade == 3, grade == 4
    haemorrhages = [
        shape
        for quadrant in (range(4) if severe else (None,))
        for shape in _haemorrhages(bleeds, field, _count(bleeds, _HAEMORRHAGES[grade]), quadrant)
    ]
    clusters = range(_count(fats, _EXUDATE_CLUSTERS[grade]))
    spots = range(_count(cotton, _COTTON_WOOL_SPOTS[grade]))
    new_vessels, preretinal = _proliferation(new, field) if proliferative else ([], [])
    return Lesions(
        microaneurysms=tuple(_microaneurysms(dots, field, _count(dots, _MICROANEURYSMS[grade]))),
        haemorrhages=tuple(haemorrhages),
        exudates=tuple(shape for _ in clusters for shape in _exudates(fats, field)),
        cotton_wool_spots=tuple(shape for _ in spots for shape in _cotton_wool(cotton, field)),
        beaded=_beaded_regions(beads, eye) if severe else np.empty((0, 2)),
        irma=tuple(_irma(shunts, field)) if severe else (),
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
            margin: Least distance from the border of the image.
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


def _microaneurysms(rng: np.random.Generator, field: _Field, number: int) -> list[Shape]:
    shapes = []
    for _ in range(number):
        around = (field.eye.fovea, 0.4) if rng.random() < 0.6 else None
        centre = field.place(rng, around=around)
        outline = blobs(rng, centre[None], rng.uniform(0.0085, 0.0135), roughness=0.12)[0]
        shapes.append(Shape(outline, rng.uniform(0.5, 1)))
    return shapes


def _haemorrhages(
    rng: np.random.Generator, field: _Field, number: int, quadrant: int | None
) -> list[Shape]:
    """Dots, blots, and flames along the nerve fibres; most of them gather in places."""
    shapes = []
    gathering: tuple[tuple[float, float], float] | None = None
    for _ in range(number):
        if gathering is None or rng.random() < 0.4:
            centre = field.place(rng, quadrant=quadrant)
            gathering = ((centre[0], centre[1]), 0.12)
        else:
            centre = field.place(rng, quadrant=quadrant, around=gathering)
        if rng.random() < 0.2:
            away = centre - field.eye.disc
            angle = float(np.arctan2(away[1], away[0])) + rng.normal(0, 0.2)
            radius, stretch, roughness = rng.uniform(0.015, 0.024), rng.uniform(2.5, 5), 0.3
        else:
            radius = 0.0112 + 0.032 * rng.random() ** 5
            stretch, angle, roughness = rng.uniform(1, 1.7), rng.uniform(0, np.pi), 0.22
        outline = blobs(
            rng, centre[None], radius, roughness=roughness, stretch=stretch, angles=angle
        )[0]
        shapes.append(Shape(outline, rng.uniform(0.4, 1.0)))
    return shapes


def _exudates(rng: np.random.Generator, field: _Field) -> list[Shape]:
    """A cluster, or a ring as around a leaking vessel, of specks that partly run together."""
    centre = field.place(rng, margin=0.15, around=(field.eye.fovea, 0.33))
    ring, spread = rng.random() < 0.35, rng.uniform(0.04, 0.11)
    n = int(rng.integers(14, 44))
    angle = rng.uniform(0, 2 * np.pi) + rng.normal(0, 1.3 if ring else 2.0, n)
    r = spread * (rng.normal(1, 0.13, n) if ring else np.abs(rng.standard_t(3, n)) * 0.55)
    r = np.minimum(r, 2.5 * spread)
    centres = centre + r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    radii = 0.0036 + 0.01 * rng.random(n) ** 3
    outlines = blobs(
        rng, centres, radii, roughness=0.45, stretch=rng.uniform(1, 2.2, n),
        angles=rng.uniform(0, np.pi, n), corners=16,
    )  # fmt: skip
    strengths = rng.uniform(0.55, 1, n)
    return [Shape(outline, float(s)) for outline, s in zip(outlines, strengths, strict=True)]


def _cotton_wool(rng: np.random.Generator, field: _Field) -> list[Shape]:
    """One spot: tufts beside each other, drawn out along the nerve fibres."""
    centre = field.place(rng, margin=0.2, around=(field.eye.disc, 0.5))
    away = centre - field.eye.disc
    angle = float(np.arctan2(away[1], away[0])) + np.pi / 2 + rng.normal(0, 0.5)
    radius, n = rng.uniform(0.022, 0.038), int(rng.integers(4, 8))
    across = np.array([np.cos(angle), np.sin(angle)])
    along = np.array([-across[1], across[0]])
    centres = centre + radius * (
        rng.normal(0, 0.85, (n, 1)) * across + rng.normal(0, 0.4, (n, 1)) * along
    )
    outlines = blobs(
        rng, centres, radius * rng.uniform(0.5, 1.0, n), roughness=0.3,
        stretch=rng.uniform(1, 1.8, n), angles=angle + rng.normal(np.pi / 2, 0.4, n),
    )  # fmt: skip
    return [Shape(outline, rng.uniform(0.45, 0.85)) for outline in outlines]


def _beaded_regions(rng: np.random.Generator, eye: Eye) -> Points:
    """Two or three of the regions that the four large veins run through."""
    trunks = _large_veins(eye)
    chosen = rng.permutation(len(trunks))[: int(rng.integers(2, 4))]
    return np.array([trunks[i][min(len(trunks[i]) - 1, int(rng.integers(16, 30)))] for i in chosen])


def _large_veins(eye: Eye) -> list[Points]:
    return [vessel.points for vessel in eye.vessels if vessel.vein][:4]


def _irma(rng: np.random.Generator, field: _Field) -> list[Vessel]:
    """One or two groups of short vessels with sharp bends, flat in the retina."""
    vessels = []
    for _ in range(int(rng.integers(1, 3))):
        root = field.place(rng, margin=0.15, around=(field.eye.fovea, 0.5))
        for _ in range(int(rng.integers(3, 7))):
            n = int(rng.integers(10, 20))
            heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.75, n))
            steps = 0.0085 * np.stack([np.cos(heading), np.sin(heading)], axis=1)
            path = root + rng.normal(0, 0.02, 2) + np.cumsum(steps, axis=0)
            vessels.append(Vessel(path, np.full(n, rng.uniform(0.0045, 0.007)), vein=False))
    return vessels


def _proliferation(rng: np.random.Generator, field: _Field) -> tuple[list[Vessel], list[Shape]]:
    """New vessels, blood in front of the retina, or both."""
    eye = field.eye
    draw = rng.random()
    vessels: list[Vessel] = []
    if draw < 0.75:
        if rng.random() < 0.5:
            vessels += _fan(rng, np.array(eye.disc), rng.uniform(0.18, 0.28))
        for _ in range(int(rng.integers(0 if vessels else 1, 3))):
            trunks = _large_veins(eye)
            trunk = trunks[int(rng.integers(len(trunks)))]
            near = trunk[min(len(trunk) - 1, int(rng.integers(14, 40)))].tolist()
            root = field.place(rng, margin=0.15, around=((near[0], near[1]), 0.06))
            vessels += _fan(rng, root, rng.uniform(0.1, 0.17))
    preretinal = _pool(rng, field) if draw > 0.4 else []
    return vessels, preretinal


def _fan(rng: np.random.Generator, root: Points, radius: float) -> list[Vessel]:
    """New vessels: stems that fan out of ``root``, each ending in loops of still finer ones."""
    vessels = []
    middle, opening = rng.uniform(0, 2 * np.pi), rng.uniform(1.2, 2.6)
    for _ in range(int(rng.integers(5, 9))):
        n = int(rng.integers(22, 34))
        heading = middle + rng.uniform(-opening, opening)
        bend = rng.normal(0, 0.22, n)
        bend[n // 2 :] += rng.choice([-1.0, 1.0]) * rng.uniform(0.12, 0.4)
        headings = heading + np.cumsum(bend)
        steps = 1.5 * radius / n * np.stack([np.cos(headings), np.sin(headings)], axis=1)
        stem = root + rng.normal(0, 0.08 * radius, 2) + np.cumsum(steps, axis=0)
        width = rng.uniform(0.005, 0.0075)
        vessels.append(Vessel(stem, np.linspace(width, 0.7 * width, n), vein=False))
        for start in rng.integers(n // 4, n - 2, int(rng.integers(2, 5))).tolist():
            m = int(rng.integers(9, 20))
            turning = rng.choice([-1.0, 1.0]) * rng.uniform(0.15, 0.4)
            headings_of_twig = (
                headings[start] - 2.0 * turning + np.cumsum(turning + rng.normal(0, 0.25, m))
            )
            steps = radius / 24 * np.stack([np.cos(headings_of_twig), np.sin(headings_of_twig)], 1)
            twig = stem[start] + np.cumsum(steps, axis=0)
            vessels.append(Vessel(twig, np.full(m, rng.uniform(0.0038, 0.0055)), vein=False))
    return vessels


def _pool(rng: np.random.Generator, field: _Field) -> list[Shape]:
    """Preretinal blood: it sinks, so its top is level and its bottom round."""
    half_width, depth = rng.uniform(0.13, 0.28), rng.uniform(0.08, 0.2)
    centre = field.place(rng, margin=0.3)
    turn = np.linspace(0, np.pi, 60)
    sag = np.sin(turn) ** rng.uniform(0.6, 1.1)
    waves = 1 + sum(
        0.16 / k * rng.normal() * np.sin(k * turn + rng.uniform(0, 6)) for k in (2, 3, 5, 8, 13)
    )
    across = np.linspace(-1, 1, 40)[1:-1]
    ripple = 0.006 * np.sin(5 * across + rng.uniform(0, 6)) * (1 - across**2)
    bulge = half_width * (1 + 0.12 * np.sin(turn) ** 2)
    lower = np.stack([bulge * np.cos(turn), depth * sag * waves], axis=1)
    upper = np.stack([half_width * across, ripple], axis=1)
    tilt = rng.normal(0, 0.08)
    cos, sin = np.cos(tilt), np.sin(tilt)
    outline = centre + np.concatenate([lower, upper]) @ np.array([[cos, sin], [-sin, cos]])
    return [Shape(outline, 1.0)]
