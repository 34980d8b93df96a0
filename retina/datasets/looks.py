"""What a check has to know of a photograph, found out in one decoding."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from retina.datasets.leakage import digest_of
from retina.datasets.near_identical import SIDE, near_identical, small_square
from retina.datasets.parallel import Unreadable
from retina.datasets.remembered import remembered
from retina.images.decode import load_fundus


@dataclass(frozen=True)
class Look:
    """What a photograph is, and what it looks like.

    Attributes:
        digest: As ``leakage.digest_of`` gives it at full size.
        width: Of the upright picture, in pixels.
        height: And its height.
        square: (32, 32) uint8, as ``near_identical.small_square`` gives it.
    """

    digest: str
    width: int
    height: int
    square: npt.NDArray[np.uint8]


def look_at(paths: Sequence[str]) -> list[Look | Unreadable]:
    """Look at many photographs, in several processes; what was seen is remembered.

    Returns:
        A look for each path, in their order, or why there is none.
    """
    seen = remembered(_look, paths, list, "looks-1", "Looking at pictures")
    return [value if isinstance(value, Unreadable) else _read(value) for value in seen]


def alike_rows(
    table: pd.DataFrame, looks: Mapping[int, Look | Unreadable]
) -> list[tuple[int, int]]:
    """The pairs of rows whose photographs are near-identical, as ``split`` takes them.

    Args:
        table: Rows whose photographs could be read.
        looks: By the index of ``table``.
    """
    squares = [look.square for row in table.index if isinstance(look := looks[row], Look)]
    pairs = near_identical(np.stack(squares)) if squares else []
    return [(table.index[pair.first], table.index[pair.second]) for pair in pairs]


def _look(path: str) -> list[object]:
    image = load_fundus(path)
    square = base64.b64encode(small_square(image).tobytes()).decode()
    return [digest_of(image), image.width, image.height, square]


def _read(value: list[object]) -> Look:
    digest, width, height, square = value
    pixels = np.frombuffer(base64.b64decode(str(square)), dtype=np.uint8)
    return Look(str(digest), int(str(width)), int(str(height)), pixels.reshape(SIDE, SIDE))
