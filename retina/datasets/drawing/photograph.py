"""The light that comes back from the fundus, and what the camera records of it.

The fundus reflects its colour, dimmed by what lies in front of it: pigment and blood absorb by
Beer's law, so their optical densities add up. Pale lesions and the optic disc replace the colour.
"""

import numpy as np
from PIL import Image, ImageFilter

from retina.datasets.drawing.canvas import Array, Canvas
from retina.datasets.drawing.eye import Camera, Eye
from retina.datasets.drawing.lesions import Lesions


def _rgb(red: float, green: float, blue: float) -> Array:
    """(3, 1, 1): the pictures in the making are planes of red, green and blue."""
    return np.array([red, green, blue], np.float32)[:, None, None]


# Optical densities.
_MELANIN = _rgb(0.55, 0.75, 0.75)
_CHOROID = _rgb(0.40, 0.40, 0.15)
_VENOUS = _rgb(0.38, 0.85, 0.65)
_ARTERIAL = _rgb(0.12, 0.62, 0.50)
_CLOT = _rgb(0.75, 1.45, 1.20)


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
    density = _fundus_density(canvas, eye, rng)
    light = _rgb(*eye.colour) * np.exp(-density)
    _paint_disc(canvas, eye, light)
    _paint_sheen(canvas, eye, light, rng)
    _paint_pale_lesions(canvas, eye, lesions, light)
    light *= np.exp(-_blood_density(canvas, eye, lesions))
    return _record(canvas, camera, light, rng)


def _smoothstep(low: float, high: float, value: Array) -> Array:
    t: Array = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _fundus_density(canvas: Canvas, eye: Eye, rng: np.random.Generator) -> Array:
    """(3, H, W) optical density of pigment and choroid."""
    from_fovea = canvas.distance(eye.fovea)
    macula = eye.macula * (
        0.55 * np.exp(-np.square(from_fovea / 0.3)) + 0.75 * np.exp(-np.square(from_fovea / 0.09))
    )
    foveal_reflex = 0.35 * eye.sheen * np.exp(-np.square(from_fovea / 0.014))
    mottling = 0.07 * canvas.noise(rng, 0.5) + 0.045 * canvas.noise(rng, 0.16)
    grain = 0.025 * canvas.noise(rng, 0.035) + 0.02 * canvas.noise(rng, 0.013)
    # Zero crossings of smooth noise make a net, as the vessels of the choroid do.
    net = np.exp(-np.square(canvas.noise(rng, 0.085) / 0.4))
    net += 0.7 * np.exp(-np.square(canvas.noise(rng, 0.05) / 0.4))
    net *= 1 - 0.85 * np.exp(-np.square(from_fovea / 0.45))
    choroid = -0.38 * eye.tessellation * net * (1 + 0.5 * canvas.noise(rng, 0.4))
    pigment = macula - foveal_reflex + mottling + grain
    density: Array = pigment * _MELANIN + choroid * _CHOROID
    return density


def _paint_disc(canvas: Canvas, eye: Eye, light: Array) -> None:
    """Paints the optic disc: a pink rim, paler towards the fovea, and a pale cup."""
    squash = 0.92
    dx, dy = (canvas.x - eye.disc[0]) / squash, canvas.y - eye.disc[1]
    r = np.sqrt(np.square(dx) + np.square(dy)) / eye.disc_radius
    temporal = (-dx if eye.right else dx) / eye.disc_radius
    # Nerve fibres brighten the rim's surroundings; a crescent of pigment lies on its other side.
    glow = 0.15 * np.exp(-np.maximum(r - 1, 0) / 0.7)
    crescent = 0.3 * np.exp(-np.square((r - 1.1) / 0.07)) * np.clip(temporal, 0, 1)
    light *= np.exp(glow - crescent)
    colour = _rgb(*eye.colour)
    rim = 1.35 * colour ** _rgb(0.6, 0.6, 0.7)
    cup = 1.75 * colour ** _rgb(0.3, 0.36, 0.55)
    paleness = _smoothstep(eye.cup + 0.22, eye.cup - 0.12, r - 0.12 * temporal)
    paleness = np.clip(paleness + 0.18 * temporal, 0, 1)
    inside = _smoothstep(1.08, 0.92, r)
    light += inside * (rim + paleness * (cup - rim) - light)


def _paint_sheen(canvas: Canvas, eye: Eye, light: Array, rng: np.random.Generator) -> None:
    """Paints the streaks of the nerve fibres above and below the disc."""
    streaks = rng.normal(0, 1, 360)
    if not eye.sheen:
        return
    dx, dy = canvas.x - eye.disc[0], canvas.y - eye.disc[1]
    angle = np.arctan2(dy, np.abs(dx) + 0 * dy)
    r = np.sqrt(np.square(dx) + np.square(dy))
    fine = np.interp(np.degrees(angle) + 180, np.arange(360), streaks).astype(np.float32)
    band = np.exp(-np.square((np.abs(angle) - 1.0) / 0.4))
    amount = eye.sheen * band * np.exp(-np.square((r - 0.3) / 0.22)) * (0.6 + 0.22 * fine)
    light += np.clip(amount, 0, 0.6) * _rgb(0.22, 0.3, 0.3)


def _paint_pale_lesions(canvas: Canvas, eye: Eye, lesions: Lesions, light: Array) -> None:
    """Paints cotton-wool spots and, sharper and yellower, exudates."""
    colour = _rgb(*eye.colour)
    fluffy = canvas.mask(lesions.cotton_wool_spots, blur=0.014)
    if fluffy is not None:
        light += fluffy * (1.1 * colour ** _rgb(0.3, 0.38, 0.5) - light)
    waxy = canvas.mask(lesions.exudates, blur=0.002)
    if waxy is not None:
        light += waxy * (1.2 * colour ** _rgb(0.2, 0.32, 0.62) - light)


def _blood_density(canvas: Canvas, eye: Eye, lesions: Lesions) -> Array:
    """(3, H, W) optical density of the blood, in vessels and out of them."""
    veins, arteries, reflexes = [], [], []
    for vessel in eye.vessels:
        if vessel.vein:
            for centre in lesions.beaded if vessel.widths[0] > 0.01 else ():
                away = np.square(vessel.points - centre).sum(1)
                vessel = vessel.beaded(np.exp(-away / 0.25**2) * (vessel.widths > 0.008))
            veins += vessel.shapes()
        else:
            arteries += vessel.shapes()
        if vessel.widths[0] > 0.01:
            reflexes += vessel.shapes(0.3, 0.35 if vessel.vein else 0.8)
    new = [shape for vessel in lesions.new_vessels for shape in vessel.shapes()]
    density = np.zeros((3, canvas.height, canvas.width), np.float32)
    for shapes, colour in (
        (veins, _VENOUS),
        (arteries, _ARTERIAL),
        (reflexes, -0.5 * _ARTERIAL),
        (new, 1.4 * _ARTERIAL),
    ):
        mask = canvas.mask(shapes)
        if mask is not None:
            density += mask * colour
    for clots, colour, blur in (
        (lesions.microaneurysms + lesions.haemorrhages, _CLOT, 0.004),
        (lesions.preretinal, 1.4 * _CLOT, 0.01),
    ):
        mask = canvas.mask(clots, blur)
        if mask is not None:
            # A clot hides the vessels behind it.
            np.maximum(density, mask * colour, out=density)
    return density


def _record(canvas: Canvas, camera: Camera, light: Array, rng: np.random.Generator) -> Image.Image:
    """Lights, frames, blurs and samples the picture."""
    r = canvas.distance((0.0, 0.0))
    off_light = canvas.distance(camera.light)
    spot = np.exp(-np.square(off_light / 0.75))
    lighting = 1 - camera.vignette * (1 - spot * (1 - 0.4 * np.minimum(r, 1) ** 4))
    light *= (camera.exposure * lighting) * _rgb(*camera.tint)
    if camera.haze.any():
        side = np.cos(np.arctan2(canvas.y, canvas.x) - camera.haze_angle)
        amount = np.clip(side + 0.3, 0, 1) * _smoothstep(0.72, 1.02, r)
        light += amount * _rgb(*camera.haze)
    inside = _smoothstep(1.0, 0.988, r)
    if camera.notch is not None:
        tab = (1.0 * np.cos(camera.notch), 1.0 * np.sin(camera.notch))
        inside = np.maximum(inside, _smoothstep(0.034, 0.026, canvas.distance(tab)))
    recorded = 255 * (1 - np.exp(-1.5 * light)) * inside
    picture = Image.fromarray((recorded + 0.5).astype(np.uint8).transpose(1, 2, 0))
    picture = picture.filter(ImageFilter.GaussianBlur(camera.blur * canvas.scale))
    noise = rng.standard_normal((canvas.height, canvas.width), dtype=np.float32)
    noise *= camera.noise * (0.25 + 0.75 * inside)
    noisy = np.clip(np.asarray(picture, np.float32) + (noise + 0.5)[..., None], 0, 255)
    return Image.fromarray(noisy.astype(np.uint8))
