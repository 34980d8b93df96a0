import json
import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import mannwhitneyu
from sklearn import metrics as oracle

from retina.errors import SettingsError
from retina.evaluation.calibration import referable_probability
from retina.evaluation.metrics import WeightedFigures, compute_metrics, quadratic_weighted_kappa
from tests.evaluation.answering import Floats, Grades, between_neighbours, draw

KEYS = {
    "n",
    "accuracy",
    "balanced_accuracy",
    "quadratic_weighted_kappa",
    "macro_f1",
    "majority_baseline_accuracy",
    "ece",
    "brier",
    "recall",
    "precision",
    "auroc",
    "auprc",
    "referable",
    "sight_threatening",
    "confusion_matrix",
}


def draw_grades(seed: int, count: int = 200, grades: tuple[int, ...] = (0, 1, 2, 3, 4)) -> Any:
    """Grades, and probabilities that know something of them."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(grades, count)
    values = generator.dirichlet(np.full(5, 0.6), count)
    values[np.arange(count), truth] += generator.uniform(0, 0.8, count)
    return truth, values / values.sum(axis=1, keepdims=True)


def certain(predicted: list[int]) -> Floats:
    """Probabilities of a model that is sure of its answers."""
    return np.eye(5)[predicted]


def checked(truth: npt.ArrayLike, values: npt.ArrayLike, threshold: float = 0.5) -> dict[str, Any]:
    """The figures, made without a warning and after a journey through strict JSON."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = compute_metrics(truth, values, threshold)
    read: dict[str, Any] = json.loads(json.dumps(metrics, allow_nan=False))
    assert read == metrics
    assert set(metrics) == KEYS
    return metrics


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_other_definitions_of_the_same_figures(seed: int) -> None:
    truth, values = draw_grades(seed)
    predicted = values.argmax(axis=1)
    metrics = checked(truth, values, threshold=0.4)
    assert metrics["n"] == 200
    assert metrics["accuracy"] == pytest.approx((truth == predicted).mean())
    assert metrics["balanced_accuracy"] == pytest.approx(
        oracle.balanced_accuracy_score(truth, predicted)
    )
    report = oracle.classification_report(truth, predicted, output_dict=True)
    assert metrics["macro_f1"] == pytest.approx(report["macro avg"]["f1-score"])
    assert metrics["recall"] == pytest.approx([report[str(grade)]["recall"] for grade in range(5)])
    assert (
        metrics["majority_baseline_accuracy"] == max(np.unique(truth, return_counts=True)[1]) / 200
    )

    matrix = np.zeros((5, 5), int)
    np.add.at(matrix, (truth, predicted), 1)
    assert metrics["confusion_matrix"] == matrix.tolist()
    distance = np.subtract.outer(np.arange(5), np.arange(5)) ** 2
    chance = np.outer(matrix.sum(axis=1), matrix.sum(axis=0)) / 200
    kappa = 1 - (distance * matrix).sum() / (distance * chance).sum()
    assert metrics["quadratic_weighted_kappa"] == pytest.approx(kappa)

    diseased, score = truth >= 2, values[:, 2:].sum(axis=1)
    pairs = mannwhitneyu(score[diseased], score[~diseased]).statistic
    referable = metrics["referable"]
    assert referable["auroc"] == pytest.approx(pairs / (diseased.sum() * (~diseased).sum()))
    assert referable["sensitivity"] == pytest.approx(oracle.recall_score(diseased, score >= 0.4))
    assert referable["specificity"] == pytest.approx(oracle.recall_score(~diseased, score < 0.4))
    assert referable["threshold"] == 0.4


def test_a_set_reckoned_by_hand() -> None:
    metrics = checked([0, 0, 0, 2, 4], certain([0, 0, 2, 2, 3]))
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["majority_baseline_accuracy"] == pytest.approx(3 / 5)
    assert metrics["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert metrics["macro_f1"] == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)
    assert metrics["recall"] == [pytest.approx(2 / 3), None, 1.0, None, 0.0]
    assert metrics["ece"] == pytest.approx(2 / 5)
    assert metrics["referable"]["sensitivity"] == 1.0
    assert metrics["referable"]["specificity"] == pytest.approx(2 / 3)
    assert metrics["referable"]["auroc"] == pytest.approx(5 / 6)


def test_the_rows_of_the_matrix_are_the_truth() -> None:
    matrix = checked([3], certain([1]))["confusion_matrix"]
    assert matrix[3][1] == 1
    assert np.sum(matrix) == 1


@pytest.mark.parametrize("grades", [(0, 2), (1, 3, 4), (0, 1)])
def test_grades_that_do_not_occur_are_left_out_of_the_means(grades: tuple[int, ...]) -> None:
    truth, values = draw_grades(7, grades=grades)
    predicted = values.argmax(axis=1)
    assert len(np.unique(predicted)) == 5
    metrics = checked(truth, values)
    recalls = [float((predicted[truth == grade] == grade).mean()) for grade in grades]
    assert metrics["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert [grade for grade in range(5) if metrics["recall"][grade] is not None] == list(grades)
    f1 = [oracle.f1_score(truth == grade, predicted == grade) for grade in grades]
    assert metrics["macro_f1"] == pytest.approx(np.mean(f1))
    assert np.shape(metrics["confusion_matrix"]) == (5, 5)


@pytest.mark.parametrize("grade", range(5))
def test_a_set_of_one_grade_answered_rightly(grade: int) -> None:
    metrics = checked([grade] * 4, certain([grade] * 4))
    assert metrics["accuracy"] == metrics["balanced_accuracy"] == metrics["macro_f1"] == 1.0
    assert metrics["quadratic_weighted_kappa"] is None
    assert metrics["majority_baseline_accuracy"] == 1.0
    sick = grade >= 2
    assert metrics["referable"] == {
        "sensitivity": 1.0 if sick else None,
        "specificity": None if sick else 1.0,
        "auroc": None,
        "threshold": 0.5,
        "prevalence": float(sick),
        "positive_predictive_value": None,
        "negative_predictive_value": None,
        "referred": [float(sick) if each == grade else None for each in range(5)],
    }
    assert metrics["precision"] == [1.0 if each == grade else None for each in range(5)]
    assert metrics["auroc"] == metrics["auprc"] == [None] * 5
    assert metrics["sight_threatening"] == {"auroc": None}


def test_a_set_of_one_grade_answered_wrongly() -> None:
    metrics = checked([0] * 4, certain([4] * 4))
    assert metrics["accuracy"] == metrics["balanced_accuracy"] == metrics["macro_f1"] == 0.0
    assert metrics["quadratic_weighted_kappa"] == 0.0
    assert metrics["referable"]["specificity"] == 0.0


def test_a_model_that_always_answers_the_same() -> None:
    truth, _ = draw_grades(3)
    metrics = checked(truth, np.tile([0.6, 0.1, 0.1, 0.1, 0.1], (200, 1)))
    assert metrics["accuracy"] == pytest.approx((truth == 0).mean())
    assert metrics["balanced_accuracy"] == pytest.approx(0.2)
    assert metrics["quadratic_weighted_kappa"] == pytest.approx(0.0, abs=1e-12)
    assert metrics["referable"]["auroc"] == pytest.approx(0.5)
    assert metrics["referable"]["sensitivity"] == 0.0
    assert metrics["referable"]["specificity"] == 1.0


def test_one_picture() -> None:
    metrics = checked([2], [[0.1, 0.1, 0.5, 0.2, 0.1]])
    assert metrics["n"] == 1
    assert metrics["brier"] == pytest.approx(0.01 + 0.01 + 0.25 + 0.04 + 0.01)
    assert metrics["accuracy"] == 1.0
    assert metrics["ece"] == pytest.approx(0.5)


def test_the_threshold_itself_is_referred() -> None:
    values = [[0.5, 0.25, 0.25, 0.0, 0.0]] * 2
    assert checked([0, 2], values, threshold=0.25)["referable"]["sensitivity"] == 1.0
    assert checked([0, 2], values, threshold=0.2500001)["referable"]["sensitivity"] == 0.0


def test_kappa_counts_how_far_an_answer_is_off() -> None:
    truth = [0, 1, 2, 3, 4] * 4
    near, far = list(truth), list(truth)
    near[0], far[0] = 1, 4
    near_by = quadratic_weighted_kappa(truth, near)
    far_off = quadratic_weighted_kappa(truth, far)
    assert near_by is not None
    assert far_off is not None
    assert 1 > near_by > far_off
    assert near_by == pytest.approx(oracle.cohen_kappa_score(truth, near, weights="quadratic"))


def test_a_grade_that_is_never_answered_has_no_precision() -> None:
    metrics = checked([0, 0, 3, 4], certain([0, 4, 4, 4]))
    assert metrics["precision"] == [1.0, None, None, None, pytest.approx(1 / 3)]
    assert metrics["recall"] == [0.5, None, None, 0.0, 1.0]


def test_the_answers_of_a_regression_have_figures() -> None:
    truth = np.repeat(range(5), 8)
    expected = np.clip(truth + np.random.default_rng(4).normal(0, 0.7, 40), 0, 4)
    metrics = checked(truth, between_neighbours(expected))
    assert metrics["accuracy"] == pytest.approx((np.round(expected) == truth).mean())
    assert all(0 <= area <= 1 for area in [*metrics["auroc"], *metrics["auprc"]])


def test_a_grade_other_than_the_likeliest_can_be_answered() -> None:
    # As where the worse of two eyes counts.
    values = [[0.45, 0.3, 0.25, 0.0, 0.0]]
    metrics = compute_metrics([1], values, 0.5, predicted=[1])
    assert metrics["accuracy"] == 1.0
    assert metrics["ece"] == pytest.approx(0.7)


def test_a_prevalence_is_stated_and_changes_the_predictive_values_alone() -> None:
    truth, values = draw_grades(8)
    own = compute_metrics(truth, values, 0.4)
    rare = compute_metrics(truth, values, 0.4, prevalence=0.05)
    assert own["referable"]["prevalence"] == pytest.approx((truth >= 2).mean())
    assert rare["referable"]["prevalence"] == 0.05
    sensitivity, specificity = own["referable"]["sensitivity"], own["referable"]["specificity"]
    expected = 0.05 * sensitivity / (0.05 * sensitivity + 0.95 * (1 - specificity))
    assert rare["referable"].pop("positive_predictive_value") == pytest.approx(expected)
    for fields in (own["referable"], rare["referable"]):
        for name in ("prevalence", "positive_predictive_value", "negative_predictive_value"):
            fields.pop(name, None)
    assert rare == own


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 7.0, float("nan")])
def test_a_prevalence_that_cannot_be_is_refused(prevalence: float) -> None:
    with pytest.raises(SettingsError, match="between 0 and 1"):
        compute_metrics([0, 3], certain([0, 3]), 0.5, prevalence=prevalence)


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
