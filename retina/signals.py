"""Ctrl-C and SIGTERM, which end a command in good order.

Both arrive as ``KeyboardInterrupt``. For SIGTERM its argument is the signal's number, from which
``retina.cli.exit_status`` makes the exit status.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def ignored() -> Iterator[None]:
    """Ignore both during the block, which is to be short, as do processes that it starts.

    Does nothing in a thread, where Python lets no signal be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stop_between_steps() -> Iterator[Callable[[], int]]:
    """Note Ctrl-C or SIGTERM, to be acted on between steps; the same once more acts at once.

    One after the other is only noted: a terminal's Ctrl-C goes to ``torchrun`` too, which passes it
    on as SIGTERM. In a thread nothing is noted, because Python lets no signal be handled there.

    Yields:
        ``interrupted``: the number of the signal that came, 0 for none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    came = 0
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = came or number
        signal.signal(number, before[signal.Signals(number)])

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield lambda: came
    finally:
        restore()


def leave_to_parent(worker: int = 0) -> None:
    """Leave both to the process that a worker serves: terminals and systems send them to all.

    Args:
        worker: Its number, as a loader gives it.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def end_with(parent: int) -> None:
    """Let this process end within a second after the one that it serves, however that one ended.

    Does nothing on Windows, where a process keeps the number of a parent that is gone.

    Args:
        parent: The number of the process that is served; it started this one itself.
    """

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
