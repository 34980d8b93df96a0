"""The device to compute on."""

import torch

from retina.errors import SettingsError


def choose_device(name: str) -> torch.device:
    """Choose a device; ``auto`` is CUDA if there is one, else the CPU.

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
            f"--device {name} is not available on this machine: use --device auto or --device cpu"
        ) from None
    return device
