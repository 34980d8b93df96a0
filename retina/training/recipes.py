"""The two recipes: the lab's, and what has come since."""

import math
from dataclasses import dataclass

from torch import nn

from retina.training.config import RunSettings

MOMENTUM = 0.9
WEIGHT_DECAY = 0.0005

WARM_UP = 0.05
SMALL_UNTIL = 0.65
SMALL_SHARE = 4 / 7
STRIDE = 32


@dataclass(frozen=True)
class Recipe:
    """How a run is trained, beyond what its settings say.

    Attributes:
        nesterov: Whether the momentum looks ahead.
        decays_all: Whether weight decay also holds biases and batch-norm.
        cosine: Whether the learning rate warms up and falls along half a cosine; else constant.
        growing: Whether the first epochs see smaller squares.
    """

    nesterov: bool = False
    decays_all: bool = True
    cosine: bool = False
    growing: bool = False

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

    def parameter_groups(self, model: nn.Module) -> list[dict[str, object]]:
        """The parameters as an optimizer takes them, with the weight decay of each group."""
        parameters = list(model.parameters())
        if self.decays_all:
            return [{"params": parameters, "weight_decay": WEIGHT_DECAY}]
        return [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]


LAB = Recipe()
MODERN = Recipe(nesterov=True, decays_all=False, cosine=True, growing=True)


def recipe_of(run: RunSettings) -> Recipe:
    """The recipe that a run's settings name."""
    return MODERN if run.recipe == "modern" else LAB
