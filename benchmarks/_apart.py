"""Work in a process of its own: what it takes in seconds and memory; sides that take turns."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import psutil

EVERY = 0.05
"""Seconds between two looks at the memory."""

MEBIBYTE = 2**20


class Cost(NamedTuple):
    """Seconds, and the most memory that was resident at a look, in MiB."""

    seconds: float
    memory: float


def apart(work: Callable[..., object], *arguments: object) -> Cost:
    """Call a function of a module in a fresh process.

    The memory is that of ``resident``; the start of the process is not in the
    seconds, what ``work`` imports when it is called is.

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
        with suppress(psutil.NoSuchProcess):  # it has ended since
            peak = max(peak, resident(psutil.Process(process.pid)))
    try:
        seconds = here.recv()
    except EOFError:
        raise RuntimeError(f"{work.__qualname__}{arguments} failed") from None
    finally:
        process.join()
    return Cost(seconds, peak)


def resident(process: psutil.Process) -> float:
    """MiB that a process holds, and its children beyond what they share with others.

    A child that was forked a moment ago shares all that its parent has.
    """
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return float(total / MEBIBYTE)


def _timed(there: Connection, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    with redirect_stdout(sys.stderr):  # stdout is the table's.
        began = time.perf_counter()
        work(*arguments)
        seconds = time.perf_counter() - began
    there.send(seconds)


@contextmanager
def side(turns: Callable[..., Iterator[Any]], *arguments: object) -> Iterator[Callable[[], Any]]:
    """A side in a process of its own; a call lets it take a turn, and gives what that yielded.

    Nothing of one side is at work, not even a thread that waits, while another has its turn.

    Args:
        turns: A generator function of a module.
        arguments: Its arguments.
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
