"""Small runs for the tests of this room."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from retina.training.data import SplitData
from retina.training.settings import RunSettings
from retina.training.trainer import Trainer

CPU = torch.device("cpu")
PICTURES = 60
IMAGE_SIZE = 32
EPOCHS = 2
STEPS = 5  # of an epoch
TIMES = ["seconds", "waiting_seconds"]


def settings(**changes: Any) -> RunSettings:
    """Two epochs of a ResNet-18 at 32 pixels: five steps each with the photographs drawn here."""
    values: dict[str, Any] = {
        "architecture": "resnet18",
        "start": "scratch",
        "epochs": EPOCHS,
        "batch_size": 8,
        "lr": 0.01,
        "image_size": IMAGE_SIZE,
        "amp": "off",
    }
    return RunSettings(**(values | changes))


class Tiny(nn.Module):
    """A network for the tests of the loop: quick, with batch-norm, and drawing random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 5, stride=4)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(8, 5)

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.norm(self.convolution(pictures)).relu().mean((2, 3))
        logits: Tensor = self.fc(self.dropout(features))
        return logits


def tiny_trainer(parts: SplitData, folder: Path, workers: int = 0, **changes: Any) -> Trainer:
    """A trainer of ``Tiny``, seeded as a run is."""
    run = settings(**changes)
    torch.manual_seed(run.seed)
    preprocessing = parts.preprocessing(IMAGE_SIZE)
    training = parts.dataset("train", preprocessing, seed=run.seed)
    validation = parts.dataset("validation", preprocessing)
    folder.mkdir(exist_ok=True)
    return Trainer(run, Tiny(), training, validation, folder, CPU, workers)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two networks have the same weights, to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
