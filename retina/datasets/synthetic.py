"""Drawn fundus photographs with lesions by grade, for tests, dry runs and the demo's examples.

They are no patient's, and nothing learned from them tells anything about one: lesions are larger
and clearer than in life, and nothing but diabetic retinopathy is ever seen.
"""

import os
import shutil
import uuid
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from retina.datasets.catalog import Catalog, read_folder
from retina.datasets.parallel import map_pictures
from retina.drawing.canvas import Canvas
from retina.drawing.eye import make_camera, make_eye
from retina.drawing.lesions import make_lesions
from retina.drawing.photograph import photograph
from retina.errors import DataError, SettingsError
from retina.files import user_cache_folder
from retina.scale import NUM_GRADES

SYNTHETIC = "synthetic"
"""What is named in the place of a data folder for photographs to be drawn."""

GRADE_SHARES = (0.40, 0.15, 0.20, 0.13, 0.12)
"""Shares of the grades in a set: the order of EyePACS, but enough of each to learn from."""

DEFAULT_COUNT = 1200
DEFAULT_SIZE = 384

# To be raised whenever photographs change, so that a set in the user's cache is drawn anew.
_DRAWING = 2
_MIN_SIZE = 32
_JPEG_QUALITY = 92
_SEEDS_OF_A_SET = 1_000_000


def draw_fundus(grade: int, seed: int, size: int = 512) -> Image.Image:
    """Draw a fundus photograph.

    The seed decides the eye, left or right, the camera and, for each grade, the lesions: the same
    seed at another grade is the same photograph of the same eye but for its lesions, and at another
    size the same photograph at another resolution, but for the sensor's noise.

    Args:
        grade: 0 to 4 of the ICDR scale.
        seed: 0 or more.
        size: Height in pixels, 32 or more; the width is 1 to 1.5 times that, as the camera has it.

    Returns:
        RGB: a lit disc on black, often cut off at top and bottom.

    Raises:
        SettingsError: An argument is out of its range.
    """
    if grade not in range(NUM_GRADES):
        raise SettingsError(f"a fundus is drawn with a grade of 0 to 4, not {grade}.")
    if seed < 0 or size < _MIN_SIZE:
        raise SettingsError(
            f"a fundus is drawn with a seed of 0 or more, not {seed}, "
            f"and at least {_MIN_SIZE} pixels high, not {size}."
        )
    eye = make_eye(np.random.default_rng([seed, 0, 0]))
    camera = make_camera(np.random.default_rng([seed, 0, 1]))
    lesions = make_lesions(grade, eye, camera, seed)
    canvas = Canvas(round(size * camera.aspect), size, size * camera.radius)
    return photograph(canvas, eye, camera, lesions, np.random.default_rng([seed, 0, 2]))


def write_synthetic(
    folder: str | os.PathLike[str],
    count: int = DEFAULT_COUNT,
    size: int = DEFAULT_SIZE,
    seed: int = 0,
) -> None:
    """Draw a labelled set, in the layout of Kaggle's APTOS 2019.

    ``images/ID.jpg``, each of another eye, and ``train.csv`` with ``id_code,diagnosis``; the grades
    come in ``GRADE_SHARES``, shuffled. The folder appears when it is complete.

    Args:
        folder: Must not exist yet; its parents are made.
        count: How many photographs, 1 to 1,000,000.
        size: Their height in pixels.
        seed: Another seed, another set without an eye in common.

    Raises:
        SettingsError: An argument is out of its range.
        DataError: The folder exists.
        OSError: It cannot be written to.
    """
    folder = Path(folder)
    if not 1 <= count <= _SEEDS_OF_A_SET:
        raise SettingsError(f"a drawn set has 1 to {_SEEDS_OF_A_SET:,} photographs, not {count}.")
    if folder.exists():
        raise _taken(folder)
    grades = _grades(count, seed)
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    images = unfinished / "images"
    images.mkdir(parents=True)
    try:
        paths = [str(images / f"drawn{number:06d}.jpg") for number in range(count)]
        for _ in map_pictures(partial(_draw_file, grades, size, seed), paths, "Drawing eyes"):
            pass
        names = [Path(path).stem for path in paths]
        table = pd.DataFrame({"id_code": names, "diagnosis": grades})
        table.to_csv(unfinished / "train.csv", index=False, lineterminator="\n")
        try:
            unfinished.rename(folder)
        except OSError:
            if folder.exists():
                raise _taken(folder) from None
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def synthetic_catalog(
    folder: str | os.PathLike[str] | None = None,
    count: int = DEFAULT_COUNT,
    size: int = DEFAULT_SIZE,
    seed: int = 0,
) -> Catalog:
    """Return the catalog of a drawn set, drawing it if it does not exist.

    Args:
        folder: Where sets are kept; ``synthetic`` in the user's cache folder if None.
        count: How many photographs, as for ``write_synthetic``.
        size: Their height in pixels.
        seed: Which set.

    Returns:
        The catalog, by the name and format ``synthetic``.

    Raises:
        SettingsError: An argument is out of its range.
        OSError: The folder cannot be written to.
    """
    sets = Path(folder) if folder is not None else user_cache_folder() / "synthetic"
    drawn = sets / f"drawing{_DRAWING}-count{count}-size{size}-seed{seed}"
    if not drawn.exists():
        try:
            write_synthetic(drawn, count, size, seed)
        except DataError:
            # Another process may have been quicker.
            if not drawn.exists():
                raise
    return replace(read_folder(drawn), name=SYNTHETIC, format=SYNTHETIC)


def read_data(data: str | os.PathLike[str]) -> Catalog:
    """Read the catalog of what ``--data`` names.

    Args:
        data: A folder, or ``synthetic``, which is drawn now if it was not before.

    Raises:
        DataError: Nothing in the folder is recognised.
        OSError: The drawn photographs cannot be written.
    """
    return synthetic_catalog() if str(data) == SYNTHETIC else read_folder(data)


def _grades(count: int, seed: int) -> npt.NDArray[np.int64]:
    """(count,) grades in ``GRADE_SHARES``, shuffled."""
    upper = np.cumsum(GRADE_SHARES)[:-1]
    ordered = np.digitize((np.arange(count) + 0.5) / count, upper)
    return np.random.default_rng([seed, 2]).permutation(ordered).astype(np.int64)


def _draw_file(grades: npt.NDArray[np.int64], size: int, seed: int, path: str) -> None:
    number = int(Path(path).stem.removeprefix("drawn"))
    # Seeds below the first set's are left to single photographs, such as the demo's examples.
    eye = (seed + 1) * _SEEDS_OF_A_SET + number
    draw_fundus(int(grades[number]), eye, size).save(path, quality=_JPEG_QUALITY)


def _taken(folder: Path) -> DataError:
    return DataError(f"{folder} exists already: name a new folder for the drawn photographs.")
