"""The light that comes back from an eye, and what the camera records of it.

Blood absorbs by Beer's law, so that optical densities add up; pale lesions replace the colour of
the fundus behind them.
"""

import math

import cv2
import numpy as np
from PIL import Image

from retina.datasets.drawing.canvas import Array, Canvas, Shape
from retina.datasets.drawing.eye import Camera, Eye
from retina.datasets.drawing.fundus import fundus_light, inside_disc, rgb, smoothstep
from retina.datasets.drawing.lesions import Lesions

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
    canvas: Canvas, eye: Eye, lesions: Lesions, light: Array, patches: Array
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


def _blood_density(canvas: Canvas, eye: Eye, lesions: Lesions, patches: Array) -> Array:
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


def _record(canvas: Canvas, camera: Camera, light: Array, rng: np.random.Generator) -> Image.Image:
    """Lights, frames, blurs and samples the picture."""
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


def _sensor_noise(canvas: Canvas, camera: Camera, rng: np.random.Generator) -> Array:
    """(H, W, 3) noise of brightness, and, of a coarser grain, of colour."""
    size = (canvas.width, canvas.height)
    half = (canvas.height // 2, canvas.width // 2, 3)
    noise: Array = rng.standard_normal((canvas.height, canvas.width, 1), dtype=np.float32)
    tinted = rng.standard_normal(half, dtype=np.float32)
    noise = noise + np.float32(0.8) * np.asarray(cv2.resize(tinted, size), np.float32)
    noise *= camera.noise
    return noise


def _lighting(canvas: Canvas, camera: Camera) -> tuple[Array, Array]:
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
