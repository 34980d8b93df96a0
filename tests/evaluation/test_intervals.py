import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import precision_score, recall_score

from retina.evaluation import intervals as module
from retina.evaluation.intervals import add_intervals, precision_of, recall_of, wilson
from retina.evaluation.metrics import compute_metrics
from tests.evaluation.answering import draw

THRESHOLD = 0.4


COUNTS = {
    "n",
    "majority_baseline_accuracy",
    "confusion_matrix",
    "threshold",
    "prevalence",
}


def intervals(count: int = 300, seed: int = 0, **settings: Any) -> dict[str, Any]:
    grades, values = draw(count, seed)
    metrics = compute_metrics(grades, values, THRESHOLD)
    patients = settings.pop("patients", [str(number) for number in range(count)])
    return add_intervals(metrics, grades, values, patients, **{"resamples": 200} | settings)


def test_the_interval_of_accuracy_is_about_the_binomial_one() -> None:
    bounded = intervals(count=2000, resamples=1000)["accuracy"]
    width = 2 * 1.96 * np.sqrt(bounded["value"] * (1 - bounded["value"]) / 2000)
    assert bounded["high"] - bounded["low"] == pytest.approx(width, rel=0.1)
    assert bounded["low"] < bounded["value"] < bounded["high"]


def test_patients_are_drawn_with_all_their_pictures() -> None:
    grades, values = draw(300, seed=4)
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
    grades, values = draw(300, 5)
    metrics = compute_metrics(grades, values, THRESHOLD)
    names = [str(number) for number in range(300)]
    one, other = (
        add_intervals(metrics, grades, values, names, resamples=200, seed=seed) for seed in (0, 1)
    )
    assert one["accuracy"] != other["accuracy"]


@pytest.mark.parametrize("grade", [0, 4])
def test_a_set_of_one_grade_leaves_undefined_what_is_undefined(grade: int) -> None:
    values = draw(50, seed=6)[1]
    grades = np.full(50, grade)
    metrics = compute_metrics(grades, values, THRESHOLD)
    bounded = add_intervals(metrics, grades, values, [str(n) for n in range(50)], resamples=50)
    json.dumps(bounded, allow_nan=False)
    assert bounded["referable"]["auroc"] is None
    assert bounded["recall"][2] is None
    assert bounded["recall"][grade]["low"] <= bounded["recall"][grade]["value"]


def bounded_figures(fields: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every field that is a figure of its own, by its whole name."""
    for name, value in fields.items():
        if name in COUNTS:
            continue
        if isinstance(value, dict) and "low" not in value:
            yield from bounded_figures(value, f"{name} ")
        elif isinstance(value, list):
            yield from ((f"{prefix}{name} {grade}", each) for grade, each in enumerate(value))
        else:
            yield f"{prefix}{name}", value


def test_every_figure_has_an_interval_that_holds_it() -> None:
    grades, values = draw(40, seed=0)
    metrics = compute_metrics(grades, values, THRESHOLD, uncalibrated=values)
    patients = [str(number) for number in range(40)]
    bounded = add_intervals(metrics, grades, values, patients, uncalibrated=values, resamples=200)
    figures = dict(bounded_figures(bounded))
    assert len(figures) == 6 + 4 * 5 + 5 + 5 + 1 + 2
    for name, each in figures.items():
        assert each["low"] <= each["value"] <= each["high"], name


def test_bounds_change_no_figure() -> None:
    grades, values = draw(60, seed=8)
    metrics = compute_metrics(grades, values, THRESHOLD)
    patients = [str(number) for number in range(60)]
    bounded = add_intervals(metrics, grades, values, patients, resamples=20)
    assert bounded["n"] == metrics["n"]
    assert bounded["confusion_matrix"] == metrics["confusion_matrix"]
    plain = dict(bounded_figures(metrics))
    for name, each in bounded_figures(bounded):
        assert each["value"] == plain[name]


def test_one_patient_has_bounds_without_width() -> None:
    grades, values = draw(3, seed=9)
    metrics = compute_metrics(grades, values, THRESHOLD)
    bounded = add_intervals(metrics, grades, values, ["one"] * 3, resamples=20)
    json.dumps(bounded, allow_nan=False)
    accuracy = bounded["accuracy"]
    assert accuracy["low"] == accuracy["value"] == accuracy["high"]


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (7, 7), (1, 3), (81, 263), (9_999, 10_000)])
def test_wilsons_interval_is_scipys(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-14)


def test_all_or_none_of_a_share_has_wilsons_bound() -> None:
    # 35 of 35 and 0 of 35 by Wilson's formula: 35 / (35 + 1.96^2) and its complement.
    grades = np.repeat([0, 3], [60, 35])
    values = np.zeros((95, 5))
    values[:60, 0] = 1
    values[60:, 2] = 1
    metrics = compute_metrics(grades, values, THRESHOLD)
    names = [str(number) for number in range(95)]
    bounded = add_intervals(metrics, grades, values, names, resamples=50)
    end = 1.959964**2 / (35 + 1.959964**2)
    assert bounded["recall"][3] == {"value": 0.0, "low": 0.0, "high": pytest.approx(end)}
    assert bounded["referable"]["sensitivity"] == {
        "value": 1.0,
        "low": pytest.approx(1 - end),
        "high": 1.0,
    }
    # The two eyes of a patient are not two patients.
    pairs = [str(number // 2) for number in range(95)]
    fewer = add_intervals(metrics, grades, values, pairs, resamples=50)
    assert fewer["recall"][3]["high"] == pytest.approx(1.959964**2 / (18 + 1.959964**2))


def test_the_resamples_do_not_depend_on_how_many_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patients = [str(number // 2) for number in range(30)]
    together = np.hstack(list(module.resampled_weights(patients, 70)))
    monkeypatch.setattr(module, "COUNTS_AT_ONCE", 90)
    parts = list(module.resampled_weights(patients, 70))
    assert [part.shape for part in parts[:2]] == [(30, 3), (30, 3)]
    assert np.array_equal(np.hstack(parts), together)


MATRIX = [[50, 4, 1, 0, 0], [6, 9, 5, 0, 0], [3, 6, 30, 0, 2], [0, 0, 5, 0, 1], [0, 0, 0, 0, 0]]
PAIRS = [(t, p) for t, row in enumerate(MATRIX) for p, n in enumerate(row) for _ in range(n)]


@pytest.mark.parametrize("grade", range(5))
def test_shares_are_scikit_learns(grade: int) -> None:
    true, answers = zip(*PAIRS, strict=True)
    for share, score in ((precision_of, precision_score), (recall_of, recall_score)):
        expected = score(true, answers, labels=[grade], average=None, zero_division=np.nan)[0]
        found = share(MATRIX, grade)
        value = np.nan if found is None else found.value
        assert value == pytest.approx(expected, nan_ok=True)


def test_the_interval_is_wilsons() -> None:
    # Newcombe, Statistics in Medicine 1998;17:857-872, table I: 81 of 263, and 0 of 20.
    matrix = [[81, 182], [0, 0]]
    found = recall_of(matrix, 0)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    none = recall_of([[0, 20], [0, 0]], 0)
    assert none is not None
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_what_never_came_up_has_no_share() -> None:
    assert precision_of(MATRIX, 3) is None
    assert recall_of(MATRIX, 4) is None
