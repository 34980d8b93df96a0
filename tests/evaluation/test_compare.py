import json
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from retina.evaluation.calibration import referable_probability
from retina.evaluation.compare import compare_answers, conclusion, mcnemar
from retina.evaluation.predictions import Predictions
from tests.evaluation.answering import Floats, Grades, draw

THRESHOLDS = (0.4, 0.5)


def as_answers(grades: Grades, values: Floats, patients: list[str] | None = None) -> Predictions:
    names = patients or [str(number) for number in range(len(grades))]
    return Predictions(grades, values.argmax(axis=1), values, values, np.array(names))


def two_models(
    count: int = 300, skills: tuple[float, float] = (0.6, 0.2), seed: int = 0
) -> tuple[Predictions, Predictions]:
    """Answers of two models, of their own skill, to the same pictures."""
    first = as_answers(*draw(count, seed, skills[0]))
    other = as_answers(*draw(count, seed, skills[1]))
    assert first.grades.tolist() == other.grades.tolist()
    return first, other


def test_the_difference_is_that_of_scikit_learns_figures() -> None:
    first, second = two_models()
    comparison = compare_answers(first, second, THRESHOLDS, resamples=50)

    def kappa(answers: Predictions) -> float:
        return float(cohen_kappa_score(answers.grades, answers.predicted, weights="quadratic"))

    def auroc(answers: Predictions) -> float:
        score = referable_probability(answers.probability)
        return float(roc_auc_score(answers.grades >= 2, score))

    for name, figure in (
        ("quadratic_weighted_kappa", kappa),
        ("accuracy", lambda answers: accuracy_score(answers.grades, answers.predicted)),
        ("referable_auroc", auroc),
    ):
        gap = figure(first) - figure(second)
        assert comparison["first"][name]["value"] == pytest.approx(figure(first))
        assert comparison["second"][name]["value"] == pytest.approx(figure(second))
        assert comparison["difference"][name]["value"] == pytest.approx(gap)
    json.dumps(comparison, allow_nan=False)


def test_the_interval_of_the_accuracys_difference_is_about_that_of_paired_shares() -> None:
    first, second = two_models(count=2000)
    comparison = compare_answers(first, second, THRESHOLDS, resamples=1000)
    gap = comparison["difference"]["accuracy"]
    own = (first.grades == first.predicted).astype(float)
    paired = own - (second.grades == second.predicted)
    width = 2 * 1.96 * paired.std() / np.sqrt(2000)
    assert gap["high"] - gap["low"] == pytest.approx(width, rel=0.1)


def test_both_models_are_scored_on_the_same_resamples() -> None:
    # Unpaired, the difference of a model with itself would have an interval as wide as any.
    first, _ = two_models()
    comparison = compare_answers(first, first, (0.4, 0.4), resamples=100)
    for gap in comparison["difference"].values():
        assert gap == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert comparison["mcnemar"]["accuracy"]["p"] == 1.0


def test_patients_are_drawn_with_all_their_pictures() -> None:
    grades, values = draw(200, 1)
    other = draw(200, 1, skill=0.1)[1]
    twice = np.tile(grades, 2), np.tile(values, (2, 1)), np.tile(other, (2, 1))
    widths = []
    for names in ([str(n) for n in range(400)], [str(n % 200) for n in range(400)]):
        first, second = (as_answers(twice[0], each, names) for each in twice[1:])
        gap = compare_answers(first, second, THRESHOLDS, resamples=600)["difference"]["accuracy"]
        widths.append(gap["high"] - gap["low"])
    assert widths[1] == pytest.approx(widths[0] * np.sqrt(2), rel=0.15)


def test_each_model_is_judged_at_its_own_operating_point() -> None:
    grades = np.array([0, 0, 3, 3])
    values = np.array([[0.7, 0, 0, 0.3, 0], [0.5, 0, 0, 0.5, 0]] * 2)
    answers = as_answers(grades, values)
    # At 0.6 nobody is referred: the healthy are right; at 0.2 everybody is: the sick are.
    calls = compare_answers(answers, answers, (0.6, 0.2), resamples=5)["mcnemar"]["referable"]
    assert calls == {"only_first_right": 2, "only_second_right": 2, "p": 1.0}


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (9, 2), (4, 4), (3, 14)])
def test_mcnemars_p_is_twice_the_smaller_tail(only_first: int, only_second: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True] * 5 + [False] * 3)
    second = np.array([False] * only_first + [True] * only_second + [True] * 5 + [False] * 3)
    total, fewer = only_first + only_second, min(only_first, only_second)
    expected = min(1.0, 2 * float(binom.cdf(fewer, total, 0.5))) if total else 1.0
    assert mcnemar(first, second) == {
        "only_first_right": only_first,
        "only_second_right": only_second,
        "p": pytest.approx(expected),
    }


def test_mcnemars_p_counts_all_ways_to_fall() -> None:
    # Of 6 discordant pictures 1 falls to the second: 1 + 6 of 64 ways are at least as uneven
    # to either side, reckoned here by listing them.
    ways = [len(chosen) for size in range(7) for chosen in combinations(range(6), size)]
    uneven = sum(count <= 1 or count >= 5 for count in ways)
    first = np.array([True] * 5 + [False])
    assert mcnemar(first, ~first)["p"] == pytest.approx(uneven / len(ways))


def test_the_sentence_names_the_better_model() -> None:
    first, second = two_models()
    comparison = compare_answers(first, second, THRESHOLDS, resamples=200)
    gap = comparison["difference"]["quadratic_weighted_kappa"]
    assert gap["low"] > 0
    sentence = conclusion("a", "b", comparison, "photographs")
    assert sentence.startswith("a is better than b on these 300 photographs: quadratic weighted")
    assert (
        f"{gap['value']:+.3f} (95 % interval {gap['low']:+.3f} to {gap['high']:+.3f})" in sentence
    )
    turned = compare_answers(second, first, THRESHOLDS, resamples=200)
    sentence = conclusion("b", "a", turned, "patients")
    assert sentence.startswith("a is better than b on these 300 patients")
    assert f"−{gap['value']:.3f}" in sentence


def test_the_sentence_claims_nothing_where_the_interval_holds_zero() -> None:
    first, second = two_models(count=30, skills=(0.3, 0.28))
    comparison = compare_answers(first, second, THRESHOLDS, resamples=100)
    sentence = conclusion("a", "b", comparison, "photographs")
    assert "cannot be told apart on these 30 photographs" in sentence
    assert "better" not in sentence


def test_what_is_undefined_is_said_to_be() -> None:
    answers = as_answers(np.array([0, 0]), np.eye(5)[[0, 0]])
    comparison = compare_answers(answers, answers, THRESHOLDS, resamples=5)
    assert comparison["difference"]["quadratic_weighted_kappa"] is None
    assert comparison["difference"]["referable_auroc"] is None
    assert "undefined" in conclusion("a", "b", comparison, "photographs")
    json.dumps(comparison, allow_nan=False)
