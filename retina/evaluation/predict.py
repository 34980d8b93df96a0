"""A network's answers to a set of pictures, in the set's own order."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from retina.datasets.dataset import RetinopathyDataset
from retina.explain.cam import forward_with_cam


def predict_logits(
    model: nn.Module,
    pictures: RetinopathyDataset,
    device: torch.device,
    batch_size: int = 32,
    description: str | None = None,
) -> npt.NDArray[np.float32]:
    """The logits of every picture.

    Args:
        model: Put in evaluation mode here.
        pictures: N pictures.
        device: Where the model lies.
        batch_size: Pictures a forward pass.
        description: Shown beside a progress bar; no bar without it.

    Returns:
        (N, 5) float32.
    """
    model.eval()
    with torch.inference_mode():
        logits = [
            model(batch).float().cpu().numpy()
            for batch in _batches(pictures, device, batch_size, description)
        ]
    return np.concatenate(logits)


def predict_with_maps(
    model: nn.Module,
    pictures: RetinopathyDataset,
    device: torch.device,
    batch_size: int = 32,
    description: str | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The logits and the heatmaps of every picture, from the same forward passes.

    Returns:
        (N, 5) logits and (N, h, w) unscaled Grad-CAM of the highest logit, both float32.
    """
    model.eval()
    answers = [
        forward_with_cam(model, batch)
        for batch in _batches(pictures, device, batch_size, description)
    ]
    logits = np.concatenate([part.float().cpu().numpy() for part, _ in answers])
    return logits, np.concatenate([part.float().cpu().numpy() for _, part in answers])


def _batches(
    pictures: RetinopathyDataset, device: torch.device, batch_size: int, description: str | None
) -> Iterator[Tensor]:
    loader = DataLoader(pictures, batch_size=batch_size, generator=torch.Generator())
    for batch, _ in tqdm(loader, desc=description, unit=" batches", disable=description is None):
        yield batch.to(device, memory_format=torch.channels_last)
