import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import softmax
from scipy.stats import energy_distance
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from retina.training import losses
from retina.training.losses import (
    LOSSES,
    LossName,
    build_loss,
    earth_mover,
    expected_grade,
    focal,
)

COUNTS = torch.tensor([1805, 370, 999, 193, 295])
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = 3 * torch.randn(40, 5, generator=GENERATOR, dtype=torch.float64)
GRADES = torch.randint(5, (40,), generator=GENERATOR)


def sure(grade: int, of: float = 1e4) -> Tensor:
    """Logits of a network that is sure of ``grade``."""
    return of * F.one_hot(torch.tensor([grade]), 5).double()


def probabilities() -> np.ndarray:
    return np.asarray(softmax(LOGITS.numpy(), axis=1))


def test_cross_entropy_is_torchs() -> None:
    loss = build_loss("cross-entropy", COUNTS)(LOGITS, GRADES)
    np.testing.assert_allclose(loss, -(np.eye(5)[GRADES] * np.log(probabilities())).sum(axis=1))
    torch.testing.assert_close(loss.mean(), F.cross_entropy(LOGITS, GRADES))


@pytest.mark.parametrize("name", ["cross-entropy", "weighted"])
def test_label_smoothing_is_torchs(name: LossName) -> None:
    loss = build_loss(name, torch.full((5,), 8), label_smoothing=0.1)(LOGITS, GRADES)
    expected = F.cross_entropy(LOGITS, GRADES, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(loss, expected)


def test_weighted_is_torchs_weighted_cross_entropy_up_to_its_normalisation() -> None:
    weights = 1 / COUNTS.double()
    loss = build_loss("weighted", COUNTS)(LOGITS, GRADES)
    expected = F.cross_entropy(LOGITS, GRADES, weights, reduction="none")
    # COUNTS / 5 of each grade weigh as much as all: the mean weight is one.
    torch.testing.assert_close(loss, expected * COUNTS.sum() / 5, rtol=1e-6, atol=0)


def test_weights_are_one_on_average_and_equal_for_every_grade() -> None:
    grades = torch.arange(5).repeat_interleave(COUNTS)
    loss = build_loss("weighted", COUNTS)(torch.zeros(len(grades), 5), grades) / math.log(5)
    assert float(loss.mean()) == pytest.approx(1, rel=1e-5)
    sums = torch.zeros(5).index_add(0, grades, loss)
    np.testing.assert_allclose(sums, COUNTS.sum() / 5, rtol=1e-4)


def test_a_grade_that_never_occurs_takes_no_weight_from_the_others() -> None:
    counts = torch.tensor([30, 0, 10, 0, 0])
    grades = torch.tensor([0, 2])
    loss = build_loss("weighted", counts)(torch.zeros(2, 5), grades) / math.log(5)
    np.testing.assert_allclose(loss, [40 / (2 * 30), 40 / (2 * 10)], rtol=1e-6)


def test_focal_is_the_papers_formula() -> None:
    p = probabilities()[np.arange(len(GRADES)), GRADES]
    np.testing.assert_allclose(focal(LOGITS, GRADES), -((1 - p) ** 2) * np.log(p))


def test_focal_of_two_grades_is_torchvisions() -> None:
    logits = torch.full((40, 5), -1e6, dtype=torch.float64)
    logits[:, :2] = LOGITS[:, :2]
    grades = GRADES % 2
    expected = sigmoid_focal_loss(
        logits[:, 1] - logits[:, 0], grades.double(), alpha=-1, gamma=losses.FOCAL_GAMMA
    )
    torch.testing.assert_close(focal(logits, grades), expected)


def test_focal_without_gamma_is_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "FOCAL_GAMMA", 0.0)
    torch.testing.assert_close(
        focal(LOGITS, GRADES), F.cross_entropy(LOGITS, GRADES, reduction="none")
    )


def test_ordinal_is_the_squared_distance_of_cumulative_distributions() -> None:
    # SciPy's energy distance is the root of twice that.
    expected = [
        energy_distance(range(5), [int(grade)], answer) ** 2 / 2
        for answer, grade in zip(probabilities(), GRADES, strict=True)
    ]
    np.testing.assert_allclose(earth_mover(LOGITS, GRADES), expected)


def test_expected_grade_punishes_bias_and_spread() -> None:
    for logits, grade, loss in zip(LOGITS, GRADES, expected_grade(LOGITS, GRADES), strict=True):
        answer = softmax(logits.numpy())
        mean = np.average(range(5), weights=answer)
        variance = np.average((np.arange(5) - mean) ** 2, weights=answer)
        assert float(loss) == pytest.approx((mean - int(grade)) ** 2 + variance)


@pytest.mark.parametrize("name", ["ordinal", "expected-grade"])
def test_a_grade_further_off_costs_more(name: LossName) -> None:
    loss = build_loss(name, COUNTS)
    costs = [float(loss(sure(grade), torch.tensor([0]))) for grade in range(5)]
    assert costs == pytest.approx({"ordinal": [0, 1, 2, 3, 4]}.get(name, [0, 1, 4, 9, 16]))


@pytest.mark.parametrize("name", LOSSES)
def test_a_sure_and_right_answer_costs_nothing(name: LossName) -> None:
    loss = build_loss(name, COUNTS)
    for grade in range(5):
        assert float(loss(sure(grade), torch.tensor([grade]))) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_each_picture_has_its_own_loss(name: LossName) -> None:
    loss = build_loss(name, COUNTS)
    together = loss(LOGITS, GRADES)
    assert together.shape == (40,)
    apart = [loss(LOGITS[i : i + 1], GRADES[i : i + 1]) for i in range(40)]
    torch.testing.assert_close(together, torch.cat(apart))


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_the_differences(name: LossName) -> None:
    loss = build_loss(name, COUNTS)
    logits = LOGITS[:6].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, GRADES[:6]), logits)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_stay_finite_at_extreme_logits(name: LossName, size: float) -> None:
    loss = build_loss(name, COUNTS)
    for answer in range(5):
        for grade in range(5):
            logits = sure(answer, size).float().requires_grad_()
            value = loss(logits, torch.tensor([grade])).mean()
            value.backward()  # type: ignore[no-untyped-call]
            assert value.isfinite()
            assert logits.grad is not None
            assert logits.grad.isfinite().all()
