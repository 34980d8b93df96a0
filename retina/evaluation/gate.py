"""What the quality gate would refuse of a data set: the figures with and without."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from retina import distributed
from retina.datasets.parallel import map_pictures
from retina.images.decode import read_photograph
from retina.images.quality import assess_quality


def refused(paths: Sequence[str], at_least: int) -> npt.NDArray[np.bool_]:
    """Which photographs the gate rejects, looked at in several processes.

    Args:
        paths: N photographs.
        at_least: Shorter side, in pixels, that they are decoded to, as in the grader.

    Returns:
        (N,); a photograph that cannot be read is refused.
    """
    own = list(paths[distributed.rank() :: distributed.processes()])
    verdicts = list(map_pictures(partial(_verdict, at_least=at_least), own, "Looking at quality"))
    every = np.ones(len(paths), dtype=bool)
    for rank, part in enumerate(distributed.gather(verdicts)):
        every[rank :: distributed.processes()] = [verdict not in _GRADED for verdict in part]
    return every


_GRADED = ("good", "usable")


def _verdict(path: str, at_least: int) -> str:
    return assess_quality(read_photograph(path, at_least=at_least)).verdict
