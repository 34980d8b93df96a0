"""A photograph has no right way up for its grade: ask about it eight times and average."""

import torch
from torch import Tensor, nn

VIEWS = 8


class EightViews(nn.Module):
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
            for turns in range(VIEWS // 2)
        ]
        return torch.stack([self.model(view) for view in views]).mean(dim=0)
