"""Preprocessing a data set, against a plain Pillow loop; reading the cache, against the raw files.

Drawn JPEGs of the size of a camera's. Ours also finds and crops the retina, and fills the cache on
all cores; the other sides are loops on one. The caches are in temporary folders; the page cache is
warm for all sides, which take turns. Ratios are to the plain loop.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retina.datasets.cache import PreparedCache, prepared_square
from retina.datasets.synthetic import draw_fundus
from retina.images.prepare import Preprocessing


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks prepare")
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--width", type=int, default=4288, help="of a photograph, in pixels")
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args(arguments)
    settings = Preprocessing(size=options.image_size)
    with tempfile.TemporaryDirectory() as folder:
        paths = _draw(Path(folder), options.pictures, options.width)
        times: dict[str, list[float]] = {}
        for turn in range(options.turns):
            cache = PreparedCache(Path(folder) / f"cache-{turn}")
            sides: dict[str, Callable[[], object]] = {
                "plain Pillow loop": partial(_each, paths, _plain, options.image_size),
                "retina, without a cache": partial(_each, paths, prepared_square, settings),
                "retina, filling the cache": partial(cache.fill, paths, settings),
                "retina, from the cache": partial(_each, paths, cache.square, settings),
            }
            for name, side in sides.items():
                began = time.perf_counter()
                side()
                times.setdefault(name, []).append(time.perf_counter() - began)
        same = all(
            np.array_equal(cache.square(path, settings), prepared_square(path, settings))
            for path in paths
        )
    rates = {name: len(paths) / statistics.median(each) for name, each in times.items()}
    plain = rates["plain Pillow loop"]
    print(f"{len(paths)} JPEGs, {options.width} px wide, to {options.image_size} px")
    for name, rate in rates.items():
        print(f"  {name:<30}{rate:>10.1f} pictures/s{rate / plain:>9.2f}")
    times_quicker = rates["retina, from the cache"] / rates["retina, without a cache"]
    print(f"from the cache / without a cache: {times_quicker:.1f}")
    print(f"the cache gives the grader's pixels: {'yes' if same else 'no'}")
    return 0 if same else 1


def _plain(path: Path, size: int) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB").resize((size, size)))


def _each(paths: Sequence[Path], work: Callable[[Path, Any], object], setting: object) -> None:
    for path in paths:
        work(path, setting)


def _draw(folder: Path, count: int, width: int) -> list[Path]:
    """Different files, all of a camera's 3 : 2."""
    paths = []
    for number in range(count):
        file = folder / f"{number}.jpg"
        drawn = draw_fundus(number % 5, seed=number, size=512)
        drawn.resize((width, width * 2 // 3), Image.Resampling.BICUBIC).save(file, quality=95)
        paths.append(file)
    return paths
