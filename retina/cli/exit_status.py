"""The exit status of every command, and one line on stderr instead of a traceback."""

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
"""Plus the number of the signal: 130 for Ctrl-C, 143 for SIGTERM."""

TOO_LITTLE_MEMORY = "out of memory: close other programs, or use smaller batches"

_USERS_PATH = (
    errno.ENOENT,
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EROFS,
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line that begins with ``error:``."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        say(f"{message} (see {self.prog} --help)")
        raise SystemExit(USER)


def say(message: str) -> None:
    """Print an error as one line on stderr."""
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)


def printable(line: str) -> str:
    """Replace control characters, line breaks and lone surrogates, which file names may hold."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def exit_status(command: Callable[[], int]) -> int:
    """Run a command and turn its exceptions into an exit status.

    0 success; 1 the machine failed (disk, memory); 2 wrong input; 130 Ctrl-C; 143 SIGTERM. Any
    other exception is a bug in this program and is raised.
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
            say(f"the machine failed: {error}")
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
        say(f"the machine failed: {error}")
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
    """Discard unwritten output; Python would try to flush it at exit, and exit with 120."""
    with suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
