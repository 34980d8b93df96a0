from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from retina.errors import CheckpointError, SettingsError
from retina.evaluation.calibration import (
    choose_threshold,
    confidence_bins,
    fit_temperature,
    probabilities,
    referable_probability,
    rule,
    source_weights,
)

Floats = npt.NDArray[np.float64]


def overconfident(factor: float, seed: int = 0, count: int = 4000) -> tuple[Floats, Floats]:
    """Logits that are ``factor`` times those that the grades were drawn from."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (count, 5))
    grades = [generator.choice(5, p=row) for row in probabilities(logits)]
    return factor * logits, np.array(grades)


def test_is_the_softmax_of_pytorch() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (20, 5)).astype(np.float32)
    expected = torch.softmax(torch.from_numpy(logits).double() / 1.7, dim=1).numpy()
    answer = probabilities(logits, 1.7)
    assert answer.dtype == np.float64
    np.testing.assert_allclose(answer, expected, rtol=1e-12)
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_large_logits_stay_probabilities() -> None:
    answer = probabilities([[1e4, -1e4, 0, 0, 0]], 0.05)
    assert answer.tolist() == [[1, 0, 0, 0, 0]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_never_becomes_a_grade(value: float) -> None:
    logits = np.zeros((3, 5))
    logits[1, 2] = value
    with pytest.raises(CheckpointError, match="not a number"):
        probabilities(logits)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_is_that_of_a_grid_search(factor: float) -> None:
    logits, grades = overconfident(factor, count=1000)
    grid = np.geomspace(0.05, 20, 1201)
    scaled = torch.from_numpy(logits)[None] / torch.from_numpy(grid)[:, None, None]
    truth = torch.from_numpy(grades).expand(len(grid), -1)
    losses = torch.nn.functional.cross_entropy(scaled.mT, truth, reduction="none").mean(dim=1)
    best = grid[int(losses.argmin())]
    assert fit_temperature(logits, grades) == pytest.approx(best, rel=0.006)


def calibration_error(grades: npt.ArrayLike, values: npt.ArrayLike, bins: int = 15) -> float:
    place, gap = confidence_bins(grades, values, bins)
    return float(np.abs(np.bincount(place, weights=gap)).sum() / gap.size)


def test_the_temperature_takes_overconfidence_back() -> None:
    logits, grades = overconfident(3.0)
    temperature = fit_temperature(logits, grades)
    assert temperature == pytest.approx(3.0, rel=0.1)
    before = calibration_error(grades, probabilities(logits))
    after = calibration_error(grades, probabilities(logits, temperature))
    assert before > 0.15
    assert after < 0.03


def test_without_pictures_the_temperature_is_1() -> None:
    assert fit_temperature(np.empty((0, 5)), []) == 1.0


@pytest.mark.parametrize("right", [True, False])
def test_the_temperature_stays_within_its_bounds(right: bool) -> None:
    # Always right, the best temperature is 0; always wrong, it is infinite.
    grades = np.arange(5) if right else (np.arange(5) + 1) % 5
    temperature = fit_temperature(np.eye(5), grades)
    assert temperature == pytest.approx(0.05 if right else 20, rel=0.05)
    assert 0.05 <= temperature <= 20


def test_a_calibration_error_reckoned_by_hand() -> None:
    # Confidences 0.9 and 0.92 share the bin from 13/15 to 14/15 and are half right: a gap of
    # |1 - 1.82|. 0.5 is alone in its bin and right, 0.4 alone and wrong.
    values = [
        [0.9, 0.1, 0.0, 0.0, 0.0],
        [0.92, 0.08, 0.0, 0.0, 0.0],
        [0.5, 0.2, 0.1, 0.1, 0.1],
        [0.2, 0.4, 0.2, 0.1, 0.1],
    ]
    error = calibration_error([0, 1, 0, 0], values)
    assert error == pytest.approx((0.82 + 0.5 + 0.4) / 4)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_calibration_error_is_that_of_a_plain_loop(bins: int) -> None:
    generator = np.random.default_rng(bins)
    values = generator.dirichlet(np.full(5, 0.5), 300)
    grades = generator.integers(0, 5, 300)
    confidence, right = values.max(axis=1), values.argmax(axis=1) == grades
    expected = 0.0
    for number in range(bins):
        inside = (confidence > number / bins) & (confidence <= (number + 1) / bins)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    assert calibration_error(grades, values, bins) == pytest.approx(expected)


def test_a_sure_model_that_is_right_is_calibrated() -> None:
    assert calibration_error([0, 3, 4], np.eye(5)[[0, 3, 4]]) == 0.0
    assert calibration_error([1, 2, 0], np.eye(5)[[0, 3, 4]]) == 1.0


def test_a_weight_counts_as_so_many_pictures() -> None:
    logits, grades = overconfident(2.0, count=300)
    weights = np.random.default_rng(0).integers(1, 4, len(grades))
    repeated = fit_temperature(np.repeat(logits, weights, axis=0), np.repeat(grades, weights))
    assert fit_temperature(logits, grades, weights) == pytest.approx(repeated, rel=1e-4)


def test_every_source_counts_alike() -> None:
    sources = ["a"] * 6 + ["b"] * 2
    weights = source_weights(sources)
    assert weights is not None
    assert weights.sum() == pytest.approx(8)
    assert weights[:6].sum() == pytest.approx(weights[6:].sum())
    assert source_weights(["a"] * 3) is None


def draw(seed: int, decimals: int, count: int = 60) -> Any:
    """Grades and probabilities; few decimals make for many ties."""
    generator = np.random.default_rng(seed)
    grades = generator.integers(0, 5, count)
    referable = np.clip(generator.normal(0.3 + 0.1 * grades, 0.25), 0, 1).round(decimals)
    values = np.zeros((count, 5))
    values[:, 0], values[:, 3] = 1 - referable, referable
    return grades, values


def rates(grades: Any, values: Any, threshold: float) -> tuple[float, float]:
    """Specificity and sensitivity of ``probability >= threshold``."""
    referred, diseased = values[:, 3] >= threshold, grades >= 2
    return float((~referred[~diseased]).mean()), float(referred[diseased].mean())


def test_grades_from_2_are_referable() -> None:
    values = [[0.1, 0.2, 0.3, 0.25, 0.15], [1.0, 0.0, 0.0, 0.0, 0.0]]
    assert referable_probability(values) == pytest.approx([0.7, 0.0])


@pytest.mark.parametrize("minimum", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_does_better(seed: int, decimals: int, minimum: float) -> None:
    grades, values = draw(seed, decimals)
    threshold = choose_threshold(grades, values, minimum)
    assert 0 <= threshold <= 1

    scores = np.unique(values[:, 3])
    candidates = np.concatenate([scores, (scores[1:] + scores[:-1]) / 2, [0.0, 1.0]])
    every = [rates(grades, values, float(candidate)) for candidate in candidates]
    # The highest specificity, and of those that have it the highest sensitivity.
    best = max(pair for pair in every if pair[1] >= minimum)
    assert rates(grades, values, threshold) == best


def test_the_usual_minimum_is_nine_in_ten() -> None:
    grades = [2] * 10 + [0] * 10
    referable = [0.1, *np.linspace(0.6, 0.9, 9), *np.linspace(0.0, 0.5, 10)]
    values = [[1 - p, 0.0, p, 0.0, 0.0] for p in referable]
    threshold = choose_threshold(grades, values)
    referred = referable_probability(values) >= threshold
    assert referred.tolist() == [False] + [True] * 9 + [False] * 10


def test_sensitivity_that_costs_nothing_is_taken() -> None:
    values = [[1 - p, 0.0, p, 0.0, 0.0] for p in (0.1, 0.2, *np.linspace(0.6, 0.9, 10))]
    assert choose_threshold([0, 1] + [3] * 10, values) <= 0.6


def test_a_model_that_always_answers_the_same_refers_everybody() -> None:
    values = np.tile([0.6, 0.1, 0.1, 0.1, 0.1], (4, 1))
    threshold = choose_threshold([0, 1, 2, 4], values)
    assert (referable_probability(values) >= threshold).all()


@pytest.mark.parametrize("grades", [[0, 1, 0], [2, 3, 4]])
def test_a_part_of_one_kind_leaves_the_middle(grades: list[int]) -> None:
    assert choose_threshold(grades, np.full((3, 5), 0.2)) == 0.5


def test_a_sum_of_probabilities_above_1_is_still_reached() -> None:
    # Rounding: 0.1 + 0.7 + 0.2 is 1 - 1e-16 or 1, in another order a little more than 1.
    values = [[0.0, 0.0, 0.7, 0.2, 0.1 + 1e-15], [1.0, 0.0, 0.0, 0.0, 0.0]]
    threshold = choose_threshold([4, 0], values)
    assert threshold <= 1
    assert referable_probability(values)[0] >= threshold


def test_rounding_moves_no_picture_across_the_threshold() -> None:
    grades, values = draw(seed=7, decimals=2)
    threshold = choose_threshold(grades, values)
    assert np.abs(referable_probability(values) - threshold).min() > 0.004


@pytest.mark.parametrize("minimum", [-0.1, 1.1, float("nan")])
def test_a_sensitivity_that_cannot_be_is_refused(minimum: float) -> None:
    with pytest.raises(SettingsError, match="between 0 and 1"):
        choose_threshold([0, 2], np.full((2, 5), 0.2), minimum)


def test_the_rule_is_written_with_its_sensitivity() -> None:
    assert rule(0.9) == "highest specificity at a sensitivity of at least 90%"
    assert rule(0.975) == "highest specificity at a sensitivity of at least 97.5%"


@pytest.mark.parametrize("seed", range(4))
def test_a_weight_counts_in_the_threshold_as_so_many_pictures(seed: int) -> None:
    grades, values = draw(seed, 12)
    weights = np.random.default_rng(seed).integers(1, 4, len(grades))
    repeated = choose_threshold(np.repeat(grades, weights), np.repeat(values, weights, axis=0))
    assert choose_threshold(grades, values, weights=weights) == pytest.approx(repeated)
