"""Mixed precision, and the loss scaling that float16 needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from retina.training.settings import AmpName


class Precision:
    """The precision of forward and backward passes.

    Args:
        device: The device to compute on.
        dtype: The type of autocast; None for float32 without autocast.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype | None) -> None:
        self.device = device
        self.dtype = dtype
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    @contextmanager
    def quick_kernels(self) -> Iterator[None]:
        """On CUDA, allow TF32 and let cuDNN benchmark its kernels within the block.

        After the block, tests compute as ``evaluate`` does.
        """
        if self.device.type != "cuda":
            yield
            return
        before = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.benchmark = before[1]

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Autocast within the block."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            yield

    def restore_scaler(self, state: dict[str, Any]) -> None:
        """Restore the state of the loss scaler, which is empty unless float16 is used."""
        if state:
            self.scaler.load_state_dict(state)

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Backpropagate and update the weights; the update is skipped if float16 overflowed."""
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(optimizer)
        self.scaler.update()


def choose_precision(amp: AmpName, device: torch.device) -> Precision:
    """Return the precision that ``--amp`` stands for on a device.

    ``auto`` is float16 on CUDA, bfloat16 on a CPU with AMX (others are slower with it), and float32
    elsewhere.
    """
    if amp == "auto":
        if device.type == "cuda":
            return Precision(device, torch.float16)
        return Precision(device, torch.bfloat16 if _has_matrix_unit(device) else None)
    dtypes = {"off": None, "float16": torch.float16, "bfloat16": torch.bfloat16}
    return Precision(device, dtypes[amp])


def _has_matrix_unit(device: torch.device) -> bool:
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))
