"""Ctrl-C between two steps, not inside one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag that is read between steps; the second acts at once.

    Yields:
        A function that says whether Ctrl-C was pressed.
    """
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, previous)


def ignore_interrupt(worker: int) -> None:
    """Leave Ctrl-C, which a terminal sends to the loader's workers too, to the process they serve.

    Args:
        worker: Its number, as the loader gives it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
