"""The images that the quality check is fitted on and evaluated with."""

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio
import matplotlib
import numpy as np
import numpy.typing as npt
import sklearn
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image, ImageFilter

from retina.images.field_of_view import find_retina

Degradation = Callable[[Image.Image, np.random.Generator], Image.Image]


def blur(share: float) -> Degradation:
    """Blur; sigma is a share of the shorter side of the retina."""

    def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        left, top, right, bottom = find_retina(image).box
        return image.filter(ImageFilter.GaussianBlur(share * min(right - left, bottom - top)))

    return degrade


def darkness(share: float) -> Degradation:
    """Reduce the light to a share, with sensor noise of two grey levels."""

    def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        pixels = np.asarray(image, dtype=np.float64)
        return _picture(pixels * share + rng.normal(0, 2, pixels.shape))

    return degrade


def glare(strength: float) -> Degradation:
    """Lay a white veil over most of the field; ``strength`` is that at its centre."""

    def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        left, top, right, bottom = find_retina(image).box
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[: image.height, : image.width]
        across = (x - (left + right) / 2) / (right - left) - 0.25 * np.cos(angle)
        down = (y - (top + bottom) / 2) / (bottom - top) - 0.25 * np.sin(angle)
        veil = strength * np.exp(-(across**2 + down**2) / 2 / 0.35**2)[..., None]
        pixels = np.asarray(image, dtype=np.float64)
        veil = veil * (pixels.max(axis=2, keepdims=True) > 15)
        return _picture(pixels * (1 - veil) + veil * np.array([255, 250, 235]))

    return degrade


def window(share: float) -> Degradation:
    """Crop to a window near the middle, by a share of the width and height of the retina."""

    def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        left, top, right, bottom = find_retina(image).box
        width, height = share * (right - left), share * (bottom - top)
        angle = rng.uniform(0, 2 * np.pi)
        x = (left + right - width) / 2 + 0.15 * (right - left) * np.cos(angle)
        y = (top + bottom - height) / 2 + 0.15 * (bottom - top) * np.sin(angle)
        return image.crop((round(x), round(y), round(x + width), round(y + height)))

    return degrade


def cut(share: float) -> Degradation:
    """Cut off one side, so that a share of the retina is left."""

    def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        left, top, right, bottom = find_retina(image).box
        across, down = round(share * (right - left)), round(share * (bottom - top))
        width, height = image.size
        boxes = (
            (0, 0, left + across, height),
            (right - across, 0, width, height),
            (0, 0, width, top + down),
            (0, bottom - down, width, height),
        )
        return image.crop(boxes[rng.integers(4)])

    return degrade


def camera(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change colours as between cameras: gain by up to 35 %, gamma by up to 28 %, brightness."""
    gain = np.exp(rng.uniform(-0.3, 0.3, 3)) * np.exp(rng.uniform(-0.5, 0.25))
    gamma = np.exp(rng.uniform(-0.25, 0.25))
    return _picture(255 * (np.asarray(image) / 255) ** gamma * gain)


SEVERE: dict[str, Degradation] = {
    "blur 3 %": blur(0.03),
    "blur 5 %": blur(0.05),
    "darkness to 10 %": darkness(0.1),
    "glare 90 %": glare(0.9),
    "window of 30 %": window(0.3),
    "cut to 40 %": cut(0.4),
}
"""Degradations after which nobody could grade; to be rejected."""

MILD: dict[str, Degradation] = {
    "blur 1 %": blur(0.01),
    "darkness to 40 %": darkness(0.4),
    "glare 40 %": glare(0.4),
    "window of 70 %": window(0.7),
    "cut to 70 %": cut(0.7),
    "another camera": camera,
}
"""Degradations after which a clinician would still grade."""


def no_fundus() -> Iterator[tuple[str, Image.Image]]:
    """Yield names and images that scikit-learn, matplotlib and gradio ship, and simple drawings."""
    packages = [Path(module.__file__ or "").parent for module in (sklearn, matplotlib, gradio)]
    learn, plot, page = packages
    samples = plot / "mpl-data" / "sample_data"
    folders = (learn / "datasets" / "images", samples, page / "media_assets" / "images")
    for file in sorted(file for folder in folders for file in folder.iterdir()):
        if file.suffix in (".jpg", ".jpeg", ".png"):
            opened = Image.open(file).convert("RGBA")
            black = Image.new("RGBA", opened.size, (0, 0, 0, 255))
            yield file.name, Image.alpha_composite(black, opened).convert("RGB")
    yield from _maps(samples)
    yield from _drawings()


def variants(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Yield an image whole, cropped, in the colours of a fundus photograph, and behind its mask."""
    width, height = image.size
    orange = _picture(np.asarray(image) * np.array([0.9, 0.57, 0.32]))
    middle = image.crop((width // 5, height // 6, width * 4 // 5, height * 5 // 6))
    yield "whole", image
    yield "cropped", image.crop((0, 0, width * 6 // 10, height))
    yield "orange", orange
    yield "round", _round(image)
    yield "cropped, round", _round(middle)
    yield "orange, round", _round(orange)


def _maps(samples: Path) -> Iterator[tuple[str, Image.Image]]:
    with gzip.open(samples / "s1045.ima.gz") as file:
        brain = np.frombuffer(file.read(), np.uint16).reshape(256, 256)
    maps = {
        "sea floor": np.load(samples / "topobathy.npz")["topo"],
        "hills": np.load(samples / "jacksboro_fault_dem.npz")["elevation"],
        "brain": brain,
    }
    for name, heights in maps.items():
        low, high = np.percentile(heights, (1, 99))
        shares = np.clip((heights - low) / (high - low), 0, 1)
        for colours in ("viridis", "afmhot", "YlOrBr", "gray"):
            yield f"{name} ({colours})", _picture(255 * colormaps[colours](shares)[..., :3])


def _drawings() -> Iterator[tuple[str, Image.Image]]:
    rng = np.random.default_rng(0)
    yield "line chart", _chart(lambda axes: axes.plot(rng.normal(size=(200, 3)).cumsum(axis=0)))
    yield "bar chart", _chart(lambda axes: axes.bar(range(9), rng.random(9), color="tab:orange"))
    yield "pie chart", _chart(lambda axes: axes.pie(rng.random(6)))
    yield "table of colours", _chart(lambda axes: axes.imshow(rng.random((9, 9)), cmap="Oranges"))
    yield "text", _chart(lambda axes: axes.text(0, 0, "a line of a printed page\n" * 16))
    yield "noise", _picture(rng.uniform(0, 256, (400, 600, 3)))
    for name, colour in (("orange", (190, 95, 40)), ("brown", (90, 50, 25)), ("white", (255,) * 3)):
        yield f"plain {name}", Image.new("RGB", (600, 400), colour)
    y, x = np.mgrid[:400, :600]
    yield "gradient", _picture(np.stack([120 + x / 6, 60 + y / 8, 30 + 0 * x], axis=2))


def _chart(draw: Callable[[Any], object]) -> Image.Image:
    figure = Figure(figsize=(6, 4), dpi=100)
    draw(figure.subplots())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def _round(image: Image.Image) -> Image.Image:
    y, x = np.mgrid[: image.height, : image.width]
    distance = np.hypot(x - image.width / 2, y - image.height / 2)
    inside = distance < 0.48 * min(image.size)
    return _picture(np.asarray(image) * inside[..., None])


def _picture(pixels: npt.NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
