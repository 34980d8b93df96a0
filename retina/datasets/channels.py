"""Mean and standard deviation of a training part's colours, for the normalisation.

Apart from the data set, so that the processes that count need not import torch.
"""

import os
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from retina.datasets.cache import PreparedCache, prepared_square
from retina.datasets.parallel import Unreadable, map_pictures
from retina.errors import DataError
from retina.images.prepare import Preprocessing, Triple


def channel_statistics(
    paths: Sequence[str | os.PathLike[str]],
    settings: Preprocessing,
    cache: PreparedCache | None = None,
) -> tuple[Triple, Triple]:
    """Mean and standard deviation of red, green and blue over all pixels of prepared squares.

    Computed from counts of the 256 values, so exactly, whatever the order of the photographs.

    Args:
        paths: The photographs of the training part, at least one.
        settings: What of it decides the geometry counts.
        cache: Where prepared squares are kept.

    Returns:
        Mean and standard deviation, in units of 0..1.

    Raises:
        DataError: There is no photograph, or one of them cannot be used.
    """
    if not paths:
        raise DataError("There is no picture to take mean and standard deviation from.")
    counts = np.zeros((3, 256), dtype=np.int64)
    files = [os.fspath(path) for path in paths]
    work = partial(_value_counts, settings, cache)
    for result in map_pictures(work, files, "Measuring colours"):
        if isinstance(result, Unreadable):
            raise DataError(f"{result.path}: {result.reason}")
        counts += result
    values = np.arange(256) / 255
    pixels = counts[0].sum()
    mean = counts @ values / pixels
    std = np.sqrt(counts @ values**2 / pixels - mean**2)
    return _triple(mean), _triple(std)


def _value_counts(
    settings: Preprocessing, cache: PreparedCache | None, path: str
) -> npt.NDArray[np.int64]:
    """How often each of the 256 values occurs in each channel of a square: (3, 256)."""
    channels = prepared_square(path, settings, cache).reshape(-1, 3).T
    return np.stack([np.bincount(channel, minlength=256) for channel in channels])


def _triple(values: npt.NDArray[np.float64]) -> Triple:
    red, green, blue = values.tolist()
    return red, green, blue
