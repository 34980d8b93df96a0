"""The promise of every command: its exit status, and one line on stderr instead of a traceback."""

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from retina.errors import InputError
from retina.signals import stop_on_sigterm

DONE = 0
MACHINE = 1
USER = 2
INTERRUPTED = 128
"""To which the number of the signal is added: 130 for Ctrl-C, 143 for SIGTERM."""

TOO_LITTLE_MEMORY = "the memory does not suffice: end other programs, or take smaller batches"

_USERS_PATH = (
    errno.ENOENT,
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EROFS,
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are lines that begin with ``error:``."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        say(f"{message} (see {self.prog} --help)")
        raise SystemExit(USER)


def say(message: str) -> None:
    """Print an error as one line on stderr."""
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)


def printable(line: str) -> str:
    """A line without what steers a terminal, begins another line, or cannot be encoded.

    A file's name may hold all of it.
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def exit_status(command: Callable[[], int]) -> int:
    """Run a command and turn what goes wrong into its exit status.

    0 done; 1 the machine's fault (disk, memory); 2 the user's input; 130 Ctrl-C; 143 SIGTERM, which
    ends a command in the same good order. Any other exception is a fault of this program and is
    left to surface.
    """
    with stop_on_sigterm():
        status = _guarded(command)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        _discard_stdout()
        if status != MACHINE:
            say(f"the machine refused: {error}")
        return MACHINE
    return status


def _guarded(command: Callable[[], int]) -> int:
    try:
        return command()
    except InputError as error:
        say(str(error))
        return USER
    except KeyboardInterrupt as stop:
        print("stopped", file=sys.stderr)
        return INTERRUPTED + (stop.args[0] if stop.args else signal.SIGINT)
    except BrokenPipeError:
        return DONE
    except OSError as error:
        if error.errno in _USERS_PATH:
            say(f"{error.strerror}: {error.filename}")
            return USER
        say(f"the machine refused: {error}")
        return MACHINE
    except MemoryError as error:
        say(str(error) or TOO_LITTLE_MEMORY)
        return MACHINE
    except RuntimeError as error:
        if not any(words in str(error) for words in ("out of memory", "allocate memory")):
            raise
        say(TOO_LITTLE_MEMORY)  # PyTorch's words are a page of figures
        return MACHINE


def _discard_stdout() -> None:
    """Let go what could not be written; Python would try again at its end, and exit with 120."""
    with suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
