"""Prediction of whole data sets, also by several processes."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from retina import distributed
from retina.datasets.dataset import RetinopathyDataset
from retina.explain.cam import forward_with_cam
from retina.scale import NUM_GRADES

AUGMENTED_VIEWS = 8


class WithTestTimeAugmentation(nn.Module):
    """A network whose logits are the mean over the flips and quarter turns of a square.

    The logits are averaged, before temperature and softmax, so that the temperature still divides
    what it was fitted to.

    Args:
        model: Maps (N, 3, S, S) to (N, K) logits; each forward pass costs eight of its.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        """The mean logits, (N, K), of (N, 3, S, S) squares."""
        views = [
            torch.rot90(side, turns, dims=(2, 3))
            for side in (pictures, pictures.flip(3))
            for turns in range(AUGMENTED_VIEWS // 2)
        ]
        return torch.stack([self.model(view) for view in views]).mean(dim=0)


Logits = npt.NDArray[np.float32]


def predict_logits(
    model: nn.Module,
    pictures: RetinopathyDataset,
    device: torch.device,
    batch_size: int = 32,
    description: str | None = None,
) -> npt.NDArray[np.float32]:
    """Compute the logits of every photograph, shared among all processes.

    Args:
        model: Put in evaluation mode here.
        pictures: N photographs.
        device: Where the model lies.
        batch_size: Photographs a forward pass.
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
    return _in_order(logits, (0, NUM_GRADES))


def predict_with_maps(
    model: nn.Module,
    pictures: RetinopathyDataset,
    device: torch.device,
    batch_size: int = 32,
    description: str | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Compute the logits and heatmaps of every photograph in the same forward passes.

    Returns:
        (N, 5) logits and (N, h, w) unscaled Grad-CAM of the highest logit, both float32.
    """
    model.eval()
    answers = [
        forward_with_cam(model, batch)
        for batch in _batches(pictures, device, batch_size, description)
    ]
    logits = [part.float().cpu().numpy() for part, _ in answers]
    maps = [part.float().cpu().numpy() for _, part in answers]
    return _in_order(logits, (0, NUM_GRADES)), _in_order(maps, (0, 1, 1))


def _batches(
    pictures: RetinopathyDataset, device: torch.device, batch_size: int, description: str | None
) -> Iterator[Tensor]:
    mine = Subset(pictures, range(distributed.rank(), len(pictures), distributed.processes()))
    loader = DataLoader(mine, batch_size=batch_size, generator=torch.Generator())
    quiet = description is None or not distributed.is_writer()
    for batch, _ in tqdm(loader, desc=description, unit=" batches", disable=quiet):
        yield batch.to(device, memory_format=torch.channels_last)


def _in_order(batches: list[Logits], empty: tuple[int, ...]) -> Logits:
    """Join the batches of all processes, each of which took every n-th."""
    own = np.concatenate(batches) if batches else np.empty(empty, dtype=np.float32)
    parts = distributed.gather(own)
    joined = np.empty((sum(map(len, parts)), *max(part.shape[1:] for part in parts)), np.float32)
    for rank, part in enumerate(parts):
        joined[rank :: len(parts)] = part
    return joined
