"""The losses of ``--loss``: each maps five logits and a grade to one number a picture.

The ordinal ones work on the softmax, so that a network trained with any of them answers with five
probabilities like every other.
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
    """The loss called ``name``.

    ``cross-entropy``; ``weighted``, the same with each grade weighted by the inverse of its
    frequency, 1 on average over the training part; ``focal`` (Lin et al., ICCV 2017, gamma 2);
    ``ordinal``, the squared earth mover's distance between softmax and truth (Hou et al., 2016,
    arXiv 1611.05916); ``expected-grade``, the squared error of the grade expected under the
    softmax: the mean of ``(k - grade) ** 2``, so that bias and spread are both punished.

    Args:
        name: One of ``LOSSES``.
        counts: (5,) pictures of each grade in the training part.
        label_smoothing: 0 to 1, of ``cross-entropy`` and ``weighted``: the share of each target
            that is spread evenly over the grades (Szegedy et al., CVPR 2016).

    Returns:
        A function of (N, 5) logits and (N,) grades to (N,) losses.
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
    """(N, 5) logits and (N,) grades to (N,) cross-entropies, each times (1 - p) ** 2."""
    log_probability = F.log_softmax(logits, dim=1).gather(1, grades[:, None])[:, 0]
    return -((1 - log_probability.exp()) ** FOCAL_GAMMA) * log_probability


def earth_mover(logits: Tensor, grades: Tensor) -> Tensor:
    """(N, 5) logits and (N,) grades to (N,) squared distances of the cumulative distributions."""
    truth = F.one_hot(grades, NUM_GRADES).to(logits)
    return (F.softmax(logits, dim=1).cumsum(1) - truth.cumsum(1)).square().sum(dim=1)


def expected_grade(logits: Tensor, grades: Tensor) -> Tensor:
    """(N, 5) logits and (N,) grades to (N,) expected squared errors of the grade."""
    steps = torch.arange(NUM_GRADES, device=logits.device)
    squared = (steps - grades[:, None]).square().to(logits)
    return (F.softmax(logits, dim=1) * squared).sum(dim=1)
