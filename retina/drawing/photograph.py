"""The finished photograph: fundus, optic disc, blood and lesions, as the camera records them.

It reflects its colour, dimmed by what lies in front of it: pigment absorbs by Beer's law, so that
optical densities add up. The disc replaces the colour.
"""

import math

import cv2
import numpy as np
from PIL import Image

from retina.drawing.canvas import Canvas, Plane, Shape
from retina.drawing.eye import Camera, Eye
from retina.drawing.lesions import Lesions


def rgb(red: float, green: float, blue: float) -> Plane:
    """(3, 1, 1): the images in the making are planes of red, green and blue."""
    return np.array([red, green, blue], np.float32)[:, None, None]


# Optical densities.
_MELANIN = rgb(0.42, 0.75, 0.80)
_MACULAR = rgb(0.40, 0.72, 0.95)
_CHOROID = rgb(0.34, 0.30, 0.10)

_DISC_SQUASH = 0.9
"""Width of the disc over its height."""


def smoothstep(low: float, high: float, value: Plane) -> Plane:
    """(...) 0 below ``low``, 1 above ``high``, and a smooth rise between them."""
    t: Plane = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def fundus_light(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Plane:
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


def inside_disc(canvas: Canvas, eye: Eye) -> tuple[tuple[slice, slice], Plane]:
    """The window around the disc, and (h, w) coverage by the disc, 0 to 1, in that window."""
    window, r, _ = _around_disc(canvas, eye)
    return window, smoothstep(1.13, 0.89, r)


def _coarse_density(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Plane:
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
    density: Plane = (
        (macula + pit - reflex) * _MACULAR
        + eye.mottling * melanin * _MELANIN
        + choroid * _CHOROID
        - _nerve_fibres(canvas, eye, rng)
    )
    return density


def _choroidal_vessels(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Plane:
    """(H, W) 0 to 2: a tangle of broad vessels that run outwards from the macula.

    They are the heights of noise in polar coordinates that changes quickest with the angle.
    """
    dx, dy = canvas.x - eye.fovea[0], canvas.y - eye.fovea[1]
    r: Plane = np.sqrt(np.square(dx) + np.square(dy)) + 0.05 * canvas.noise(rng, 0.2)
    turn = np.arctan2(dy, dx) / (2 * np.pi) + 0.012 * canvas.noise(rng, 0.12)
    net: Plane = np.zeros_like(r)
    for around, length in ((52, 0.22), (90, 0.13)):
        grid = rng.standard_normal((around, around), dtype=np.float32)
        across, along = (turn * around).astype(np.float32), r / np.float32(length)
        lines = cv2.remap(grid, across, along, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
        net += smoothstep(-0.1, 0.9, np.asarray(lines, np.float32))
    return net


def _nerve_fibres(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Plane:
    """(3, H, W) how much the nerve fibres brighten the fundus: around the disc, in streaks."""
    streaks = rng.normal(0, 1, 360)
    dx, dy = canvas.x - eye.disc[0], canvas.y - eye.disc[1]
    r = np.sqrt(np.square(dx) + np.square(dy))
    angle = np.arctan2(dy, np.abs(dx) + 0 * dy)
    band = np.exp(-np.square((np.abs(angle) - 0.95) / 0.5))
    glow = (0.1 + 0.16 * band) * np.exp(-np.maximum(r - eye.disc_radius, 0) / 0.16)
    fine = np.interp(np.degrees(angle) + 180, np.arange(360), streaks).astype(np.float32)
    shine = eye.sheen * band * np.exp(-np.square((r - 0.32) / 0.26)) * (0.55 + 0.2 * fine)
    brighter: Plane = glow * rgb(0.5, 1.0, 1.1) + np.clip(shine, 0, 0.6) * rgb(0.4, 1.1, 1.3)
    return brighter


def _around_disc(canvas: Canvas, eye: Eye) -> tuple[tuple[slice, slice], Plane, Plane]:
    """A window; (h, w) distance from the disc's centre, and temporally, both in its radii."""
    window = canvas.window(eye.disc, 1.7 * eye.disc_radius)
    dx = (canvas.x[:, window[1]] - eye.disc[0]) / eye.disc_radius / _DISC_SQUASH
    dy = (canvas.y[window[0]] - eye.disc[1]) / eye.disc_radius
    r: Plane = np.sqrt(np.square(dx) + np.square(dy))
    temporal: Plane = (-dx if eye.right else dx) + 0 * dy
    return window, r, temporal


def _paint_disc(canvas: Canvas, eye: Eye, light: Plane, rng: np.random.Generator) -> None:
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


# Optical densities.
_VENOUS = rgb(0.25, 0.70, 0.48)
_ARTERIAL = rgb(0.09, 0.50, 0.36)
_FRESH = rgb(0.16, 1.05, 0.80)
_CLOT = rgb(0.48, 0.95, 0.70)
_POOL = rgb(0.80, 1.60, 1.30)


def photograph(
    canvas: Canvas, eye: Eye, camera: Camera, lesions: Lesions, rng: np.random.Generator
) -> Image.Image:
    """Photographs an eye.

    Args:
        canvas: Where the pixels lie.
        eye: The fundus.
        camera: Frames and lights it.
        lesions: What is ill in it.
        rng: Texture of the fundus and noise of the sensor, the same whatever the lesions.

    Returns:
        RGB, (canvas.width, canvas.height).
    """
    light = fundus_light(canvas, eye, rng)
    patches = canvas.noise(rng, 0.022)
    _paint_pale_lesions(canvas, eye, lesions, light, patches)
    light *= np.exp(-_blood_density(canvas, eye, lesions, patches))
    pool = canvas.mask(lesions.preretinal, blur=0.01)
    if pool is not None:
        # It lies in front of all else, and hides it.
        light += pool * (np.exp(0.1 * patches - _POOL) * rgb(*eye.colour) - light)
    return _record(canvas, camera, light, rng)


def _paint_pale_lesions(
    canvas: Canvas, eye: Eye, lesions: Lesions, light: Plane, patches: Plane
) -> None:
    """Paints cotton-wool spots and, sharper and yellower, exudates."""
    red, green, blue = eye.colour
    fluffy = canvas.mask(lesions.cotton_wool_spots, blur=0.009)
    if fluffy is not None:
        fluffy *= np.clip(0.85 + 0.15 * patches, 0, 1)
        light += fluffy * (rgb(1.6 * red, 1.35 * green**0.5, 1.5 * blue**0.7) - light)
    waxy = canvas.mask(lesions.exudates, blur=0.002)
    if waxy is not None:
        light += waxy * (rgb(2.2 * red, 1.9 * green**0.5, 1.5 * blue**0.75) - light)


def _blood_density(canvas: Canvas, eye: Eye, lesions: Lesions, patches: Plane) -> Plane:
    """(3, H, W) optical density of the blood, in vessels and out of them."""
    veins: list[Shape] = []
    arteries: list[Shape] = []
    reflexes: list[Shape] = []
    for vessel in eye.vessels:
        if vessel.vein:
            for centre in lesions.beaded if vessel.widths[0] > 0.01 else ():
                away = np.square(vessel.points - centre).sum(1)
                vessel = vessel.beaded(np.exp(-away / 0.25**2) * (vessel.widths > 0.008))
            veins += vessel.shapes()
        else:
            arteries += vessel.shapes()
        if vessel.widths[0] > 0.01:
            reflexes += vessel.shapes(0.28, 0.3 if vessel.vein else 0.9)
    new = [shape for vessel in lesions.new_vessels for shape in vessel.shapes()]
    shunts = [shape for vessel in lesions.irma for shape in vessel.shapes()]
    density = np.zeros((3, canvas.height, canvas.width), np.float32)
    for shapes, colour in (
        (veins, _VENOUS),
        (arteries, _ARTERIAL),
        (reflexes, -0.4 * _ARTERIAL),
        (shunts, _FRESH),
        (new, _FRESH),
    ):
        mask = canvas.mask(shapes)
        if mask is not None:
            density += mask * colour
    # On the pale disc the vessels lie bare.
    (rows, columns), inside = inside_disc(canvas, eye)
    density[:, rows, columns] *= 1 + 0.35 * inside
    for clots, colour, blur in (
        (lesions.microaneurysms, _CLOT, 0.002),
        (lesions.haemorrhages, _CLOT, 0.0045),
    ):
        mask = canvas.mask(clots, blur)
        if mask is not None:
            # A clot hides the vessels behind it.
            mask *= np.clip(0.95 + 0.06 * patches, 0, 1.2)
            np.maximum(density, mask * colour, out=density)
    return density


def _record(canvas: Canvas, camera: Camera, light: Plane, rng: np.random.Generator) -> Image.Image:
    """Lights, frames, blurs and samples the image."""
    lit, veil = _lighting(canvas.coarse, camera)
    light *= canvas.enlarge(lit)
    light += canvas.enlarge(veil)
    inside = smoothstep(1.0, 0.994, canvas.distance((0.0, 0.0)))
    if camera.notch is not None:
        cos, sin = math.cos(camera.notch), math.sin(camera.notch)
        out, along = canvas.x * cos + canvas.y * sin - 1, canvas.y * cos - canvas.x * sin
        tab = np.maximum(np.abs(out) / 0.034, np.abs(along) / 0.026)
        inside = np.maximum(inside, smoothstep(1.1, 0.9, tab))
    light *= -1.5
    np.exp(light, out=light)
    recorded = np.ascontiguousarray((255 - 255 * light).transpose(1, 2, 0))
    picture = canvas.blurred(recorded, camera.blur)
    # The mask lies in the camera, before the sensor, and so is sharp.
    lit_share = inside[..., None]
    picture *= lit_share
    noise = _sensor_noise(canvas, camera, rng)
    noise *= 0.25 + 0.75 * lit_share
    picture += noise
    return Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8))


def _sensor_noise(canvas: Canvas, camera: Camera, rng: np.random.Generator) -> Plane:
    """(H, W, 3) noise of brightness, and, of a coarser grain, of colour."""
    size = (canvas.width, canvas.height)
    half = (canvas.height // 2, canvas.width // 2, 3)
    noise: Plane = rng.standard_normal((canvas.height, canvas.width, 1), dtype=np.float32)
    tinted = rng.standard_normal(half, dtype=np.float32)
    noise = noise + np.float32(0.8) * np.asarray(cv2.resize(tinted, size), np.float32)
    noise *= camera.noise
    return noise


def _lighting(canvas: Canvas, camera: Camera) -> tuple[Plane, Plane]:
    """(3, H, W) factors on the light, and stray light added to it."""
    r = canvas.distance((0.0, 0.0))
    off_light = canvas.distance(camera.light)
    spot = np.exp(-np.square(off_light / 0.8))
    fall = 1 - camera.vignette * (1 - spot * (1 - 0.4 * np.minimum(r, 1) ** 4))
    # Red light comes through the wall of the eye too, so that it falls off less.
    lit = np.stack([fall**0.85, fall, fall**1.08]) * (camera.exposure * rgb(*camera.tint))
    side = np.cos(np.arctan2(canvas.y, canvas.x) - camera.haze_angle)
    veil = np.clip(side + 0.3, 0, 1) * smoothstep(0.72, 1.02, r) * rgb(*camera.haze)
    return lit.astype(np.float32), veil.astype(np.float32)
