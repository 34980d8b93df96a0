"""The fundus without its blood: pigment, choroid, nerve fibres and the optic disc.

It reflects its colour, dimmed by what lies in front of it: pigment absorbs by Beer's law, so that
optical densities add up. The disc replaces the colour.
"""

import cv2
import numpy as np

from retina.datasets.drawing.canvas import Array, Canvas
from retina.datasets.drawing.eye import Eye


def rgb(red: float, green: float, blue: float) -> Array:
    """(3, 1, 1): the pictures in the making are planes of red, green and blue."""
    return np.array([red, green, blue], np.float32)[:, None, None]


# Optical densities.
_MELANIN = rgb(0.42, 0.75, 0.80)
_MACULAR = rgb(0.40, 0.72, 0.95)
_CHOROID = rgb(0.34, 0.30, 0.10)

_DISC_SQUASH = 0.9
"""Width of the disc over its height."""


def smoothstep(low: float, high: float, value: Array) -> Array:
    """(...) 0 below ``low``, 1 above ``high``, and a smooth rise between them."""
    t: Array = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def fundus_light(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Array:
    """(3, H, W) what the fundus reflects of white light, but for its vessels and lesions.

    Args:
        canvas: Where the pixels lie.
        eye: The fundus.
        rng: Its texture.
    """
    density = canvas.enlarge(_coarse_density(canvas.coarse, eye, rng))
    grain = sum(0.035 * canvas.noise(rng, cell) for cell in (0.03, 0.013, 0.006))
    density += (eye.mottling * grain) * _MELANIN
    np.exp(-density, out=density)
    density *= rgb(*eye.colour)
    light = density
    _paint_disc(canvas, eye, light, rng)
    return light


def inside_disc(canvas: Canvas, eye: Eye) -> tuple[tuple[slice, slice], Array]:
    """The window around the disc, and (h, w) coverage by the disc, 0 to 1, in that window."""
    window, r, _ = _around_disc(canvas, eye)
    return window, smoothstep(1.13, 0.89, r)


def _coarse_density(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Array:
    """(3, H, W) optical density of pigment, choroid and nerve fibres."""
    from_fovea = canvas.distance(eye.fovea)
    macula = eye.macula * (
        0.32 * np.exp(-np.square(from_fovea / 0.34)) + 0.7 * np.exp(-np.square(from_fovea / 0.1))
    )
    pit = 0.3 * eye.macula * np.exp(-np.square(from_fovea / 0.035))
    reflex = 0.3 * eye.sheen * np.exp(-np.square(from_fovea / 0.012))
    melanin = 0.09 * canvas.noise(rng, 0.55) + 0.06 * canvas.noise(rng, 0.2)
    melanin += 0.045 * canvas.noise(rng, 0.075)
    blush = 0.08 * canvas.noise(rng, 0.7) + 0.05 * canvas.noise(rng, 0.13)
    net = _choroidal_vessels(canvas, eye, rng)
    net *= 1 - 0.85 * np.exp(-np.square(from_fovea / 0.5))
    net *= np.clip(0.85 + 0.4 * canvas.noise(rng, 0.45), 0, 1.6)
    choroid = eye.tessellation * (0.4 - 0.55 * net) + eye.mottling * blush
    density: Array = (
        (macula + pit - reflex) * _MACULAR
        + eye.mottling * melanin * _MELANIN
        + choroid * _CHOROID
        - _nerve_fibres(canvas, eye, rng)
    )
    return density


def _choroidal_vessels(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Array:
    """(H, W) 0 to 2: a tangle of broad vessels that run outwards from the macula.

    They are the heights of noise in polar coordinates that changes quickest with the angle.
    """
    dx, dy = canvas.x - eye.fovea[0], canvas.y - eye.fovea[1]
    r: Array = np.sqrt(np.square(dx) + np.square(dy)) + 0.05 * canvas.noise(rng, 0.2)
    turn = np.arctan2(dy, dx) / (2 * np.pi) + 0.012 * canvas.noise(rng, 0.12)
    net: Array = np.zeros_like(r)
    for around, length in ((52, 0.22), (90, 0.13)):
        grid = rng.standard_normal((around, around), dtype=np.float32)
        across, along = (turn * around).astype(np.float32), r / np.float32(length)
        lines = cv2.remap(grid, across, along, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
        net += smoothstep(-0.1, 0.9, np.asarray(lines, np.float32))
    return net


def _nerve_fibres(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Array:
    """(3, H, W) how much the nerve fibres brighten the fundus: around the disc, in streaks."""
    streaks = rng.normal(0, 1, 360)
    dx, dy = canvas.x - eye.disc[0], canvas.y - eye.disc[1]
    r = np.sqrt(np.square(dx) + np.square(dy))
    angle = np.arctan2(dy, np.abs(dx) + 0 * dy)
    band = np.exp(-np.square((np.abs(angle) - 0.95) / 0.5))
    glow = (0.1 + 0.16 * band) * np.exp(-np.maximum(r - eye.disc_radius, 0) / 0.16)
    fine = np.interp(np.degrees(angle) + 180, np.arange(360), streaks).astype(np.float32)
    shine = eye.sheen * band * np.exp(-np.square((r - 0.32) / 0.26)) * (0.55 + 0.2 * fine)
    brighter: Array = glow * rgb(0.5, 1.0, 1.1) + np.clip(shine, 0, 0.6) * rgb(0.4, 1.1, 1.3)
    return brighter


def _around_disc(canvas: Canvas, eye: Eye) -> tuple[tuple[slice, slice], Array, Array]:
    """A window; (h, w) distance from the disc's centre, and temporally, both in its radii."""
    window = canvas.window(eye.disc, 1.7 * eye.disc_radius)
    dx = (canvas.x[:, window[1]] - eye.disc[0]) / eye.disc_radius / _DISC_SQUASH
    dy = (canvas.y[window[0]] - eye.disc[1]) / eye.disc_radius
    r: Array = np.sqrt(np.square(dx) + np.square(dy))
    temporal: Array = (-dx if eye.right else dx) + 0 * dy
    return window, r, temporal


def _paint_disc(canvas: Canvas, eye: Eye, light: Array, rng: np.random.Generator) -> None:
    """Paints the optic disc: a pink rim, paler towards the fovea, and a pale cup."""
    (rows, columns), r, temporal = _around_disc(canvas, eye)
    clouds = canvas.coarse.noise(rng, 0.05)
    clouds = canvas.enlarge(clouds)[rows, columns]
    here = light[:, rows, columns]
    red, green, blue = eye.colour
    ring = np.exp(-np.square((r - 1.12) / 0.1)) * np.clip(temporal, 0, 1)
    atrophy = smoothstep(1.65, 1.1, r) * np.clip(1.3 * temporal, 0, 1)
    here *= np.exp(eye.crescent * atrophy * rgb(0.25, 0.6, 0.7) - 0.1 * ring * rgb(0.6, 1, 1))
    rim = rgb(1.9 * red, 1.35 * green**0.5, 1.2 * blue**0.7)
    cup = rgb(2.8 * red, 2.5 * green**0.5, 2.7 * blue**0.7)
    paleness = smoothstep(eye.cup + 0.3, eye.cup - 0.25, r - 0.18 * temporal)
    paleness = np.clip(0.9 * paleness + 0.16 * temporal + 0.06 * clouds, 0, 1)
    inside = smoothstep(1.13, 0.89, r + 0.015 * clouds)
    here += inside * (rim + paleness * (cup - rim) - here)
