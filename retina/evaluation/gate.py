"""What the quality gate says of a data set, looked at while its squares are prepared."""

from collections.abc import Sequence
from functools import partial

from retina import distributed
from retina.assessment import Verdict
from retina.datasets.cache import PreparedCache, verdict
from retina.datasets.parallel import Unreadable, map_pictures
from retina.images.prepare import Preprocessing


def verdicts(
    paths: Sequence[str], settings: Preprocessing, cache: PreparedCache
) -> list[Verdict | Unreadable]:
    """The gate's verdicts, as in the grader; each photograph is decoded once.

    Args:
        paths: Of N photographs, which several processes share.
        settings: Of the square that is wanted of each.
        cache: Gets the squares that it does not hold yet.

    Returns:
        N, in order; for a photograph that cannot be read, why.

    Raises:
        OSError: The cache folder cannot be written to.
    """
    own = list(paths[distributed.rank() :: distributed.processes()])
    found = map_pictures(partial(verdict, cache, settings), own, "Looking at pictures")
    every: list[Verdict | Unreadable] = ["reject"] * len(paths)
    for rank, part in enumerate(distributed.gather(list(found))):
        every[rank :: distributed.processes()] = part
    return every
