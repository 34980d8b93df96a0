import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as oracle

from retina.evaluation.operating_point import referable_probability
from retina.evaluation.weighted import WeightedFigures
from tests.evaluation.answering import Floats, Grades, between_neighbours, draw

THRESHOLD = 0.4


def figures(
    grades: Grades, values: Floats, weights: npt.ArrayLike, prevalence: float = 0.3
) -> dict[str, Any]:
    """The figures of one weighting, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weighted = WeightedFigures(
            grades, values.argmax(axis=1), values, values, THRESHOLD, prevalence
        )
        return weighted(np.asarray(weights, dtype=float)[:, None])


def agrees(figure: Any, expected: Any) -> None:
    np.testing.assert_allclose(figure[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fractions", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_weighted_set_has_the_figures_that_scikit_learn_gives(seed: int, fractions: bool) -> None:
    grades, values = draw(400, seed)
    random = np.random.default_rng(seed + 10)
    weights = random.uniform(0, 3, 400) if fractions else random.integers(0, 4, 400).astype(float)
    predicted, score = values.argmax(axis=1), referable_probability(values)
    own = figures(grades, values, weights)
    weighted: Any = {"sample_weight": weights}
    recalls = oracle.recall_score(grades, predicted, average=None, **weighted)

    agrees(own["accuracy"], oracle.accuracy_score(grades, predicted, **weighted))
    agrees(own["balanced_accuracy"], recalls.mean())
    kappa = oracle.cohen_kappa_score(grades, predicted, weights="quadratic", **weighted)
    agrees(own["quadratic_weighted_kappa"], kappa)
    agrees(own["macro_f1"], oracle.f1_score(grades, predicted, average="macro", **weighted))
    agrees(own["recall"], recalls)
    precision = oracle.precision_score(grades, predicted, average=None, **weighted)
    agrees(own["precision"], precision)
    each = [(grades == grade, values[:, grade]) for grade in range(5)]
    agrees(own["auroc"], [oracle.roc_auc_score(*pair, **weighted) for pair in each])
    agrees(own["auprc"], [oracle.average_precision_score(*pair, **weighted) for pair in each])
    brier = oracle.brier_score_loss(
        grades, values, labels=list(range(5)), scale_by_half=False, **weighted
    )
    agrees(own["brier"], brier)
    agrees(own["before_temperature"]["brier"], brier)

    referable = own["referable"]
    sick, referred = grades >= 2, score >= THRESHOLD
    agrees(referable["auroc"], oracle.roc_auc_score(sick, score, **weighted))
    sensitivity = oracle.recall_score(sick, referred, **weighted)
    specificity = oracle.recall_score(~sick, ~referred, **weighted)
    agrees(referable["sensitivity"], sensitivity)
    agrees(referable["specificity"], specificity)
    shares = [np.average(referred[grades == g], weights=weights[grades == g]) for g in range(5)]
    agrees(referable["referred"], shares)
    threatening = oracle.roc_auc_score(grades >= 3, values[:, 3:].sum(axis=1), **weighted)
    agrees(own["sight_threatening"]["auroc"], threatening)


def test_predictive_values_at_the_sets_own_prevalence_are_scikit_learns_precisions() -> None:
    grades, values = draw(300, seed=3)
    sick, referred = grades >= 2, referable_probability(values) >= THRESHOLD
    referable = figures(grades, values, np.ones(300), float(sick.mean()))["referable"]
    agrees(referable["positive_predictive_value"], oracle.precision_score(sick, referred))
    agrees(referable["negative_predictive_value"], oracle.precision_score(~sick, ~referred))


def test_predictive_values_at_another_prevalence_are_those_of_a_set_that_has_it() -> None:
    grades, values = draw(300, seed=4)
    sick, referred = grades >= 2, referable_probability(values) >= THRESHOLD
    # Weigh the sick so that they make up a tenth: the same question by another way.
    weights = np.where(sick, 0.1 / sick.sum(), 0.9 / (~sick).sum())
    referable = figures(grades, values, np.ones(300), prevalence=0.1)["referable"]
    expected = oracle.precision_score(sick, referred, sample_weight=weights)
    agrees(referable["positive_predictive_value"], expected)
    expected = oracle.precision_score(~sick, ~referred, sample_weight=weights)
    agrees(referable["negative_predictive_value"], expected)


def test_weights_of_a_resample_are_the_resample() -> None:
    grades, values = draw(80, seed=5)
    drawn = np.random.default_rng(6).integers(0, 80, 80)
    weighted = figures(grades, values, np.bincount(drawn, minlength=80))
    resampled = figures(grades[drawn], values[drawn], np.ones(80))
    for name in ("accuracy", "ece", "brier", "auroc", "auprc", "precision"):
        agrees(weighted[name], resampled[name][0])


def test_many_weightings_at_once_are_each_by_itself() -> None:
    grades, values = draw(60, seed=7)
    weights = np.random.default_rng(8).integers(0, 3, (60, 4)).astype(float)
    weighted = WeightedFigures(grades, values.argmax(axis=1), values, values, THRESHOLD, 0.3)
    together = weighted(weights)
    for column in range(4):
        alone = figures(grades, values, weights[:, column])
        for name in ("quadratic_weighted_kappa", "auroc", "auprc", "ece", "recall"):
            np.testing.assert_allclose(together[name][column], alone[name][0], atol=1e-12)


def test_a_regressions_answers_are_ranked_as_scikit_learn_ranks_them() -> None:
    random = np.random.default_rng(9)
    grades = random.integers(0, 5, 200)
    values = between_neighbours(np.clip(grades + random.normal(0, 0.8, 200), 0, 4))
    assert (values == 0).mean() > 0.5
    own = figures(grades, values, np.ones(200))
    for grade in range(5):
        truth, score = grades == grade, values[:, grade]
        assert own["auroc"][0, grade] == pytest.approx(oracle.roc_auc_score(truth, score))
        area = oracle.average_precision_score(truth, score)
        assert own["auprc"][0, grade] == pytest.approx(area)


def test_a_score_that_is_always_the_same_ranks_like_chance() -> None:
    grades = draw(100, seed=10)[0]
    own = figures(grades, np.full((100, 5), 0.2), np.ones(100))
    np.testing.assert_allclose(own["auroc"][0], 0.5)
    np.testing.assert_allclose(own["auprc"][0], np.bincount(grades) / 100)


def test_a_class_without_weight_leaves_the_areas_undefined() -> None:
    grades, values = draw(100, seed=11)
    own = figures(grades, values, (grades != 1).astype(float))
    assert np.isnan(own["auroc"][0, 1])
    assert np.isnan(own["auprc"][0, 1])
    assert np.isfinite(own["auroc"][0, [0, 2, 3, 4]]).all()
    alone = figures(grades, values, (grades == 1).astype(float))
    assert np.isnan(alone["auroc"]).all()
    assert np.isnan(alone["auprc"]).all()


def test_two_thousand_resamples_of_seven_thousand_pictures_are_quick() -> None:
    # Wanted: 20 s; 100 of the 2,000 are timed, in processor time, since machines are shared.
    grades, values = draw(7000, seed=12)
    weighted = WeightedFigures(grades, values.argmax(axis=1), values, values, THRESHOLD, 0.3)
    weights = np.random.default_rng(13).integers(0, 3, (7000, 100)).astype(float)
    began = time.thread_time()
    weighted(weights)
    assert (time.thread_time() - began) * 20 < 20
