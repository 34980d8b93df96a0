import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, recall_score, roc_auc_score

from retina.evaluation.intervals import REFERABLE, WHOLE_SET, _Sample, add_intervals
from retina.evaluation.metrics import compute_metrics
from retina.evaluation.operating_point import referable_probability

THRESHOLD = 0.4


def answers(count: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Grades, and probabilities that know something of them and hold ties."""
    random = np.random.default_rng(seed)
    grades = random.choice(5, count, p=[0.5, 0.1, 0.2, 0.1, 0.1])
    values = random.dirichlet(np.ones(5), count)
    values[np.arange(count), grades] += 0.3
    values = values.round(1) + 0.01
    return grades, values / values.sum(axis=1, keepdims=True)


def intervals(count: int = 300, seed: int = 0, **settings: Any) -> dict[str, Any]:
    grades, values = answers(count, seed)
    metrics = compute_metrics(grades, values, THRESHOLD)
    patients = settings.pop("patients", [str(number) for number in range(count)])
    return add_intervals(metrics, grades, values, patients, **{"resamples": 200} | settings)


def test_a_weighted_set_has_the_figures_that_scikit_learn_gives() -> None:
    grades, values = answers(400, seed=1)
    weights = np.random.default_rng(2).integers(0, 4, 400).astype(float)
    figures = _Sample(grades, values, THRESHOLD).figures(weights[None])
    predicted, score = values.argmax(axis=1), referable_probability(values)
    kappa = cohen_kappa_score(grades, predicted, weights="quadratic", sample_weight=weights)
    recalls = recall_score(grades, predicted, average=None, sample_weight=weights)
    expected = {
        "accuracy": accuracy_score(grades, predicted, sample_weight=weights),
        "balanced_accuracy": recalls.mean(),
        "quadratic_weighted_kappa": kappa,
        "macro_f1": f1_score(grades, predicted, average="macro", sample_weight=weights),
        "auroc": roc_auc_score(grades >= 2, score, sample_weight=weights),
        "sensitivity": recall_score(grades >= 2, score >= THRESHOLD, sample_weight=weights),
        **{f"recall_{grade}": recall for grade, recall in enumerate(recalls)},
    }
    assert {name: figures[name][0] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_the_unweighted_set_has_the_figures_of_compute_metrics() -> None:
    grades, values = answers(400, seed=3)
    metrics = compute_metrics(grades, values, THRESHOLD)
    figures = _Sample(grades, values, THRESHOLD).figures(np.ones((1, 400)))
    for name in (*WHOLE_SET, *REFERABLE):
        expected = metrics["referable"][name] if name in REFERABLE else metrics[name]
        assert figures[name][0] == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_accuracy_is_about_the_binomial_one() -> None:
    bounded = intervals(count=2000, resamples=1000)["accuracy"]
    width = 2 * 1.96 * np.sqrt(bounded["value"] * (1 - bounded["value"]) / 2000)
    assert bounded["high"] - bounded["low"] == pytest.approx(width, rel=0.1)
    assert bounded["low"] < bounded["value"] < bounded["high"]


def test_patients_are_drawn_with_all_their_pictures() -> None:
    grades, values = answers(300, seed=4)
    doubled, twice = np.tile(grades, 2), np.tile(values, (2, 1))
    metrics = compute_metrics(doubled, twice, THRESHOLD)
    single = add_intervals(metrics, doubled, twice, [str(n) for n in range(600)], resamples=500)
    paired = add_intervals(
        metrics, doubled, twice, [str(n % 300) for n in range(600)], resamples=500
    )

    def width(bounded: dict[str, Any]) -> float:
        interval = bounded["quadratic_weighted_kappa"]
        return float(interval["high"] - interval["low"])

    assert width(paired) == pytest.approx(width(single) * np.sqrt(2), rel=0.15)


def test_the_seed_decides_the_draws() -> None:
    assert intervals(seed=5) == intervals(seed=5)
    grades, values = answers(300, 5)
    metrics = compute_metrics(grades, values, THRESHOLD)
    names = [str(number) for number in range(300)]
    one, other = (
        add_intervals(metrics, grades, values, names, resamples=200, seed=seed) for seed in (0, 1)
    )
    assert one["accuracy"] != other["accuracy"]


@pytest.mark.parametrize("grade", [0, 4])
def test_a_set_of_one_grade_leaves_undefined_what_is_undefined(grade: int) -> None:
    values = answers(50, seed=6)[1]
    grades = np.full(50, grade)
    metrics = compute_metrics(grades, values, THRESHOLD)
    bounded = add_intervals(metrics, grades, values, [str(n) for n in range(50)], resamples=50)
    json.dumps(bounded, allow_nan=False)
    assert bounded["referable"]["auroc"] is None
    assert bounded["recall"][2] is None
    assert bounded["recall"][grade]["low"] <= bounded["recall"][grade]["value"]


def test_every_interval_holds_its_figure() -> None:
    bounded = intervals(count=40)
    held = [bounded[name] for name in WHOLE_SET] + [bounded["referable"][n] for n in REFERABLE]
    for each in [*held, *bounded["recall"]]:
        assert each["low"] <= each["value"] <= each["high"]
