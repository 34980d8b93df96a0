"""Half precision where the device is quicker with it, and the loss scaling that float16 needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from retina.training.settings import AmpName


class Precision:
    """How forward and backward passes compute.

    Args:
        device: Where.
        dtype: Of the autocast; None computes in float32.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype | None) -> None:
        self.device = device
        self.dtype = dtype
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    @contextmanager
    def quick_kernels(self) -> Iterator[None]:
        """On CUDA, let what stays in float32 compute in TF32, and cuDNN try out its kernels.

        What comes after the block, such as the test part, computes as ``evaluate`` does.
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
        """Run the block in the chosen precision."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            yield

    def restore_scaler(self, state: dict[str, Any]) -> None:
        """Go on from the scaler's state; one that computed without float16 left none."""
        if state:
            self.scaler.load_state_dict(state)

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Backward pass and step of the optimizer, which is left out where float16 overflowed."""
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(optimizer)
        self.scaler.update()


def choose_precision(amp: AmpName, device: torch.device) -> Precision:
    """What ``--amp`` means on a device.

    ``auto`` is float16 on CUDA, bfloat16 on a CPU with a matrix unit for it (AMX), where a plain
    CPU would be slower, and float32 elsewhere.
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
