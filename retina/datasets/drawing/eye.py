"""One eye and the camera in front of it: all that does not depend on the grade."""

from dataclasses import dataclass

import numpy as np

from retina.datasets.drawing.canvas import Points
from retina.datasets.drawing.vessels import Vessel, grow_vessels


@dataclass(frozen=True)
class Camera:
    """What the camera makes of the eye.

    Attributes:
        aspect: Width of the picture over its height.
        radius: Radius of the lit disc over the height of the picture; above 0.5 it is cut off at
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
        """How far the picture reaches up and down from its centre, relative units."""
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
