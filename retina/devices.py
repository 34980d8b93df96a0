"""Where to compute, and how memory is held there."""

import ctypes
import sys

import torch

from retina.errors import SettingsError


def choose_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one, else the CPU.

    Raises:
        SettingsError: the machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError):
        raise SettingsError(
            f"--device {name} is not to be had here: use --device auto or --device cpu"
        ) from None
    return device


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, for the steps of a training run on a CPU.

    Every step frees and allocates the same large tensors. The GNU C library gives each back to the
    kernel, which clears its pages anew at every step: a sixth of the time with two threads
    (``python -m benchmarks training``). The price is memory: the peak grows by about a fifth.

    Returns:
        Whether it could be done: on Linux with the GNU C library. ``mallopt(3)`` documents both
        settings.
    """
    trim_threshold, mmap_max, never = -1, -4, 2**31 - 1
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, never))
