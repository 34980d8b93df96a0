"""Settings of a whole process, for the commands and worker processes of this package.

Nothing here runs on import: a program that imports the package keeps its own settings.
"""

import ctypes
import logging
import os
import sys
import warnings


def silence_libraries() -> None:
    """Suppress warnings of libraries about files: a command says what is wrong in a sentence."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # loky replaces a process that has grown by 300 MB, as decoding large photographs makes it do.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)


def prepare_for_page() -> None:
    """Set the environment of a process that only serves the page, before Gradio is imported.

    The page follows its own flags whatever is set for other Gradio apps of this machine: such
    variables could open folders, or serve files without the password.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read on import
    os.environ["no_proxy"] = "*"  # Gradio calls its own address as it opens, and no other


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, for the steps of a training run on a CPU.

    Every step frees and allocates the same large tensors. The GNU C library gives each back to the
    kernel, which clears its pages anew at every step: a sixth of the time with two threads
    (``python -m benchmarks training``). The price is memory: the peak grows by about a fifth.

    Returns:
        Whether it could be done: on Linux with the GNU C library. ``mallopt(3)`` documents the
        settings.
    """
    trim_threshold, mmap_max, never = -1, -4, 2**31 - 1
    return _mallopt(mmap_max, 0) and _mallopt(trim_threshold, never)


def share_freed_memory() -> bool:
    """Let threads use again what others freed, for a page whose requests come on many threads.

    The GNU C library gives threads up to eight heaps a core, and what is freed in one heap serves
    no other: a page that many ask at once would grow for hours.

    Returns:
        As ``keep_freed_memory``.
    """
    arena_max = -8
    return _mallopt(arena_max, 2)


def _mallopt(setting: int, value: int) -> bool:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(setting, value))
