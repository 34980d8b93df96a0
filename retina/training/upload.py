"""Batches on their way to the device."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]


def upload(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Each batch on the device; on CUDA it is copied while the one before it is computed with.

    Args:
        batches: (n, 3, H, W) pictures and (n,) grades, in pinned memory where ``device`` is CUDA.
        device: Where they are wanted.

    Yields:
        The same batches, the pictures channels-last.
    """
    if device.type != "cuda":
        for batch in batches:
            yield _copied(batch, device)
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    held: Batch | None = None
    for batch in batches:
        with torch.cuda.stream(copying):
            coming = _copied(batch, device)
        if held is not None:
            yield held
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(copying)
        for tensor in coming:
            tensor.record_stream(computing)
        held = coming
    if held is not None:
        yield held


def _copied(batch: Batch, device: torch.device) -> Batch:
    pictures, grades = batch
    return (
        pictures.to(device, non_blocking=True, memory_format=torch.channels_last),
        grades.to(device, non_blocking=True),
    )
