from typing import Any

import numpy as np
import pytest

from retina.errors import SettingsError
from retina.evaluation.operating_point import choose_threshold, referable_probability, rule


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
def test_a_weight_counts_as_so_many_pictures(seed: int) -> None:
    grades, values = draw(seed, 12)
    weights = np.random.default_rng(seed).integers(1, 4, len(grades))
    repeated = choose_threshold(np.repeat(grades, weights), np.repeat(values, weights, axis=0))
    assert choose_threshold(grades, values, weights=weights) == pytest.approx(repeated)
