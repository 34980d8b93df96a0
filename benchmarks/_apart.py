"""Measurement in separate processes: time and memory of a call; sides that take turns."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import psutil

EVERY = 0.05
"""Seconds between measurements of memory."""

MEBIBYTE = 2**20


class Cost(NamedTuple):
    """Seconds, and peak resident memory in MiB."""

    seconds: float
    memory: float


def apart(work: Callable[..., object], *arguments: object) -> Cost:
    """Call a function of a module in a fresh process.

    The time includes what ``work`` imports when it is called, but not the start of the process.

    Raises:
        RuntimeError: The call failed; its traceback is on stderr.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(there, work, arguments))
    process.start()
    there.close()
    peak = 0.0
    while not here.poll(EVERY):
        with suppress(psutil.NoSuchProcess):  # It has ended.
            peak = max(peak, resident(psutil.Process(process.pid)))
    try:
        seconds = here.recv()
    except EOFError:
        raise RuntimeError(f"{work.__qualname__}{arguments} failed") from None
    finally:
        process.join()
    return Cost(seconds, peak)


def resident(process: psutil.Process) -> float:
    """Return the resident memory of a process, and the unshared memory of its children, in MiB."""
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return float(total / MEBIBYTE)


def _timed(there: Connection, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    with redirect_stdout(sys.stderr):  # stdout is for the table.
        began = time.perf_counter()
        work(*arguments)
        seconds = time.perf_counter() - began
    there.send(seconds)


@contextmanager
def side(turns: Callable[..., Iterator[Any]], *arguments: object) -> Iterator[Callable[[], Any]]:
    """Run a generator function in its own process; yield a function that returns its next value.

    While another side has its turn, the process is idle.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_take_turns, args=(there, turns, arguments))
    process.start()
    there.close()

    def turn() -> Any:
        here.send(None)
        return here.recv()

    try:
        yield turn
    finally:
        process.terminate()
        process.join()


def _take_turns(
    there: Connection, turns: Callable[..., Iterator[Any]], arguments: tuple[object, ...]
) -> None:
    side = turns(*arguments)
    while True:
        there.recv()
        there.send(next(side))
