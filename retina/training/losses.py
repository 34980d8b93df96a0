"""The losses of ``--loss``.

The ordinal losses are functions of the softmax, so that a network trained with any of them predicts
five probabilities.
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from retina.scale import NUM_GRADES

LossName = Literal["cross-entropy", "weighted", "focal", "ordinal", "expected-grade"]
LOSSES: tuple[LossName, ...] = get_args(LossName)
Loss = Callable[[Tensor, Tensor], Tensor]

FOCAL_GAMMA = 2.0


def build_loss(name: LossName, counts: Tensor, label_smoothing: float = 0.0) -> Loss:
    """Return a loss by name.

    - ``cross-entropy``.
    - ``weighted``: cross-entropy, each grade weighted by its inverse frequency; the weights average
      1 over the training split.
    - ``focal``: Lin et al., ICCV 2017, with gamma 2.
    - ``ordinal``: the squared earth mover's distance between softmax and truth (Hou et al., 2016,
      arXiv 1611.05916).
    - ``expected-grade``: the expectation of ``(k - grade) ** 2`` under the softmax, which penalises
      bias and spread.

    Args:
        name: One of ``LOSSES``.
        counts: (5,) number of training images of each grade.
        label_smoothing: Share of each target, 0 to 1, that ``cross-entropy`` and ``weighted``
            spread evenly over the grades (Szegedy et al., CVPR 2016).

    Returns:
        A function of (N, 5) logits and (N,) grades that returns (N,) losses.
    """
    weights = counts.sum() / (counts.clamp(min=1) * (counts > 0).sum())

    def cross_entropy(logits: Tensor, grades: Tensor) -> Tensor:
        return F.cross_entropy(logits, grades, reduction="none", label_smoothing=label_smoothing)

    def weighted(logits: Tensor, grades: Tensor) -> Tensor:
        return cross_entropy(logits, grades) * weights.to(logits)[grades]

    by_name: dict[LossName, Loss] = {
        "cross-entropy": cross_entropy,
        "weighted": weighted,
        "focal": focal,
        "ordinal": earth_mover,
        "expected-grade": expected_grade,
    }
    return by_name[name]


def focal(logits: Tensor, grades: Tensor) -> Tensor:
    """Focal loss, (N,), of (N, 5) logits and (N,) grades: cross-entropy times (1 - p) ** 2."""
    log_probability = F.log_softmax(logits, dim=1).gather(1, grades[:, None])[:, 0]
    return -((1 - log_probability.exp()) ** FOCAL_GAMMA) * log_probability


def earth_mover(logits: Tensor, grades: Tensor) -> Tensor:
    """Squared distance, (N,), of the cumulative distributions of softmax and (N,) grades."""
    truth = F.one_hot(grades, NUM_GRADES).to(logits)
    return (F.softmax(logits, dim=1).cumsum(1) - truth.cumsum(1)).square().sum(dim=1)


def expected_grade(logits: Tensor, grades: Tensor) -> Tensor:
    """Expected squared error, (N,), of the grade, from (N, 5) logits and (N,) grades."""
    steps = torch.arange(NUM_GRADES, device=logits.device)
    squared = (steps - grades[:, None]).square().to(logits)
    return (F.softmax(logits, dim=1) * squared).sum(dim=1)
