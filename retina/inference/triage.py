"""Many photographs become a worklist: read and prepared in threads, graded in batches."""

import io
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING

from joblib import cpu_count  # type: ignore[import-untyped]

from retina.errors import ImageError
from retina.images.photograph import NetworkInput, Photograph
from retina.inference.sources import Source, read_source
from retina.inference.worklist import Row, failed_row, graded_row

if TYPE_CHECKING:
    from retina.inference.grader import Grader

MOST_AT_ONCE, PIXELS_AT_ONCE = 16, 8 * 224 * 224
"""Of the squares in one forward pass: beyond this a CPU takes longer for each, not less long."""


def triage(
    grader: "Grader",
    sources: Iterable[Source],
    seen: Callable[[Source, Photograph], None] | None = None,
) -> Iterator[Row]:
    """Grade photographs one after the other; one that cannot be read has its reason in its row.

    At most a few photographs are in memory at a time, however many there are. Whoever stops
    taking rows stops the work.

    Args:
        grader: The model.
        sources: The photographs.
        seen: Called, in some thread, with each photograph that could be read, before its row.

    Yields:
        A row for each, in the order of ``sources``.
    """
    config = grader.checkpoint.config
    at_once = min(MOST_AT_ONCE, max(1, PIXELS_AT_ONCE // config.preprocessing.size**2))
    waiting: deque[tuple[Source, Future[NetworkInput | str]]] = deque()
    sources = iter(sources)
    workers = cpu_count()
    # On a CPU the network takes every core, and its threads wait for each other where another
    # thread prepares photographs meanwhile: there both take turns.
    by_turns = grader.device.type == "cpu"
    ahead = MOST_AT_ONCE if by_turns else at_once + 2 * workers
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                if not (by_turns and waiting):
                    for source in islice(sources, ahead - len(waiting)):
                        waiting.append((source, pool.submit(_prepare, grader, source, seen)))
                if not waiting:
                    return
                if by_turns:
                    wait([future for _, future in waiting])
                batch = [waiting.popleft() for _ in range(min(at_once, len(waiting)))]
                ready = [(source.name, future.result()) for source, future in batch]
                answers = iter(
                    grader.answer([each for _, each in ready if isinstance(each, NetworkInput)])
                )
                for name, each in ready:
                    if isinstance(each, str):
                        yield failed_row(name, each, grader.name, grader.sha256)
                    else:
                        yield graded_row(name, next(answers), config.referable.threshold)
        finally:
            for _, future in waiting:
                future.cancel()


def _prepare(
    grader: "Grader", source: Source, seen: Callable[[Source, Photograph], None] | None
) -> NetworkInput | str:
    began = time.perf_counter()
    try:
        photograph = grader.read(io.BytesIO(read_source(source)), name=source.name)
        if seen is not None:
            seen(source, photograph)
        return grader.prepared(photograph, began)
    except ImageError as error:
        return str(error)
