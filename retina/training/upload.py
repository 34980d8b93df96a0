"""Batches on their way to the device, where they are normalised."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from retina.images.prepare import Preprocessing

Batch = tuple[Tensor, Tensor]


def upload(
    batches: Iterable[Batch], preprocessing: Preprocessing, device: torch.device
) -> Iterator[Batch]:
    """Each batch on the device; on CUDA it is copied while the one before it is computed with.

    Args:
        batches: (n, H, W, 3) uint8 squares and (n,) grades, in pinned memory where ``device`` is
            CUDA.
        preprocessing: Its mean and deviation count.
        device: Where they are wanted.

    Yields:
        (n, 3, H, W) float32, normalised, channels-last; and the grades.
    """
    if device.type != "cuda":
        for squares, grades in batches:
            yield normalised(squares.to(device), preprocessing), grades.to(device)
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    held: Batch | None = None
    for squares, grades in batches:
        with torch.cuda.stream(copying):
            pictures = normalised(squares.to(device, non_blocking=True), preprocessing)
            coming = pictures, grades.to(device, non_blocking=True)
        if held is not None:
            yield held
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(copying)
        for tensor in coming:
            tensor.record_stream(computing)
        held = coming
    if held is not None:
        yield held


def normalised(squares: Tensor, preprocessing: Preprocessing) -> Tensor:
    """What ``retina.images.prepare.normalise`` makes of each square, to the bit on the CPU.

    Args:
        squares: (n, H, W, 3) uint8, on any device.
        preprocessing: Its mean and deviation count.

    Returns:
        (n, 3, H, W) float32, channels-last, on the same device.
    """
    mean, std = (
        torch.tensor(each, dtype=torch.float32, device=squares.device)
        for each in (preprocessing.mean, preprocessing.std)
    )
    return squares.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)
