"""The two recipes: the lab's, and what has come since."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from retina.datasets.dataset import Augmentation
from retina.training.augmentation import CameraAugmentation, LabAugmentation
from retina.training.config import RunSettings

MOMENTUM = 0.9

WARM_UP = 0.05
SMALL_UNTIL = 0.65
SMALL_SHARE = 4 / 7
STRIDE = 32


@dataclass(frozen=True)
class Recipe:
    """How a run is trained, beyond what its settings say.

    Attributes:
        adaptive: AdamW; otherwise stochastic gradient descent with momentum.
        weight_decay: Of the optimizer.
        decays_all: Whether weight decay also holds biases and batch-norm.
        head_factor: By how much the learning rate of the last layer exceeds that of the others.
        label_smoothing: The share of each target that is spread evenly over the grades.
        cosine: Whether the learning rate warms up and falls along half a cosine; else constant.
        growing: Whether the first epochs see smaller squares.
        augmentation: What training pictures go through.
    """

    adaptive: bool = False
    weight_decay: float = 0.0005
    decays_all: bool = True
    head_factor: float = 1.0
    label_smoothing: float = 0.0
    cosine: bool = False
    growing: bool = False
    augmentation: Callable[[], Augmentation] = LabAugmentation

    def lr_factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by at a step of ``steps``: 0 to 1."""
        if not self.cosine:
            return 1.0
        warm = max(1.0, WARM_UP * steps)
        if step < warm:
            return (step + 1) / (warm + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    def side(self, epoch: int, epochs: int, image_size: int) -> int:
        """The side in pixels of what the network sees in an epoch: 128, then 224, for 224.

        Most epochs so see a third of the pixels.
        """
        if not self.growing or epoch >= int(SMALL_UNTIL * epochs):
            return image_size
        return min(image_size, max(STRIDE, round(SMALL_SHARE * image_size / STRIDE) * STRIDE))

    def optimizer(self, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        """The optimizer of a network whose last layer is ``fc``, at its highest learning rates."""
        parameters: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            decay = self.weight_decay if self.decays_all or parameter.dim() > 1 else 0.0
            peak = lr * (self.head_factor if name.startswith("fc.") else 1.0)
            parameters.setdefault((decay, peak), []).append(parameter)
        groups = [
            {"params": each, "weight_decay": decay, "lr": peak}
            for (decay, peak), each in parameters.items()
        ]
        if self.adaptive:
            return torch.optim.AdamW(groups, lr=lr)
        return torch.optim.SGD(groups, lr=lr, momentum=MOMENTUM)


LAB = Recipe()
MODERN = Recipe(
    adaptive=True,
    weight_decay=0.02,
    decays_all=False,
    head_factor=5.0,
    label_smoothing=0.05,
    cosine=True,
    growing=True,
    augmentation=CameraAugmentation,
)


def recipe_of(run: RunSettings) -> Recipe:
    """The recipe that a run's settings name."""
    return MODERN if run.recipe == "modern" else LAB
