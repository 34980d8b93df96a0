"""Parallel work on photographs, with a progress bar if it takes long."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from joblib import Parallel, cpu_count, delayed  # type: ignore[import-untyped]
from tqdm import tqdm

from retina.errors import InputError
from retina.process import silence_libraries
from retina.signals import end_with, ignored

_Result = TypeVar("_Result")

# Starting processes takes about as long as this many small photographs; fewer are left to threads.
WORTH_PROCESSES = 64
_SECONDS_WITHOUT_BAR = 1.0


class Unreadable(NamedTuple):
    """A photograph that could not be used, and the reason in one sentence."""

    path: str
    reason: str


def map_pictures(
    work: Callable[[str], _Result], paths: Sequence[str], doing: str
) -> Iterator[_Result | Unreadable]:
    """Call ``work`` on every path and yield the results in the order of ``paths``.

    A photograph on which ``work`` raises an ``InputError`` yields ``Unreadable``. Few photographs
    are worked on in threads, which start at once and run side by side while Pillow decodes and
    resizes; many in processes. joblib's loky starts those afresh and does not import the main
    module in them, so nothing depends on how Python starts processes on this platform or on a
    guard in the script that runs.

    Args:
        work: A function of a module, or a ``functools.partial`` of one: it may be pickled, and may
            run in several threads at once.
        paths: The photographs.
        doing: What the progress bar says; it appears on stderr once a second has passed.
    """
    guarded = partial(_guarded, work)
    if len(paths) < WORTH_PROCESSES:
        with ThreadPoolExecutor(cpu_count()) as threads:  # waits, after an error too
            yield from _watched(threads.map(guarded, paths), len(paths), doing)
        return
    with ignored():  # A terminal sends Ctrl-C to the processes too; this one will end them.
        pool = Parallel(
            n_jobs=cpu_count(),
            return_as="generator",
            initializer=_start,
            initargs=(os.getpid(),),
        )
        results = pool(delayed(guarded)(path) for path in paths)
    yield from _watched(results, len(paths), doing)


def _start(parent: int) -> None:
    """Initialise a worker process."""
    silence_libraries()
    end_with(parent)


def _watched(results: Iterable[_Result], total: int, doing: str) -> Iterator[_Result]:
    yield from tqdm(
        results,
        desc=doing,
        total=total,
        unit="picture",
        delay=_SECONDS_WITHOUT_BAR,
        mininterval=0.2 if sys.stderr.isatty() else 10,
        file=sys.stderr,
    )


def _guarded(work: Callable[[str], _Result], path: str) -> _Result | Unreadable:
    try:
        return work(path)
    except InputError as error:
        return Unreadable(path, str(error))
