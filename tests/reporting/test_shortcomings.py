from typing import Any

import numpy as np
import pytest

from retina.evaluation.evaluate import measure
from retina.evaluation.predictions import Answers
from retina.reporting.shortcomings import elsewhere, shortcomings

NOTHING_SEEN = {"trained_on": 0, "chosen_on": 0, "familiar_patients": 0}


def figures(matrix: list[list[int]], **fields: Any) -> dict[str, Any]:
    """What ``evaluate`` would give for sure answers with these counts."""
    counts = np.array(matrix)
    grades, predicted = (np.repeat(each.ravel(), counts.ravel()) for each in np.indices((5, 5)))
    sure = np.eye(5)[predicted]
    names = np.array([str(number) for number in range(len(grades))])
    metrics = measure(Answers(grades, predicted, sure, sure, names), 0.5)
    told = {"by_patient": False, "photographs": len(grades), "overlap": NOTHING_SEEN}
    return {**metrics, **told, **fields}


FAULTLESS = np.diag([20, 5, 10, 4, 4]).tolist()


def test_a_faultless_model_has_none() -> None:
    assert shortcomings(figures(FAULTLESS)) == []


def test_a_grade_that_is_rarely_found_is_named_with_what_is_answered_instead() -> None:
    matrix = [[20, 0, 0, 0, 0], [2, 1, 6, 0, 0], [0, 0, 9, 0, 0], [0, 0, 5, 0, 0], [0, 0, 3, 0, 5]]
    sentences = shortcomings(figures(matrix))
    assert sentences == [
        "Of 9 photographs of grade Mild it recognises 1; 67% are called Moderate.",
        "Of 5 photographs of grade Severe it recognises none; 100% are called Moderate.",
        "It never answers Severe here.",
    ]


def test_what_is_not_referred_is_counted_by_grade() -> None:
    matrix = [[20, 0, 0, 0, 0], [0, 5, 0, 0, 0], [1, 0, 9, 0, 0], [1, 1, 0, 6, 0], [0, 0, 0, 0, 4]]
    (sentence,) = shortcomings(figures(matrix, by_patient=True))
    assert sentence == (
        "At its operating point it does not refer 25% of the 8 patients of grade Severe."
    )


def test_a_model_that_is_no_better_than_always_answering_the_same_is_told_so() -> None:
    matrix = np.zeros((5, 5), dtype=int)
    matrix[:, 0] = [20, 3, 4, 2, 1]
    sentences = shortcomings(figures(matrix.tolist()))
    assert "Its accuracy, 0.667, is not above the 0.667 of always answering" in sentences[0]
    assert "It never answers Mild, Moderate, Severe or Proliferative DR here." in sentences


def test_a_grade_that_the_set_does_not_hold_is_named() -> None:
    matrix = np.diag([20, 5, 10, 0, 4]).tolist()
    assert shortcomings(figures(matrix))[-1] == (
        "There are no photographs of grade Severe here to test it on."
    )


def test_what_it_has_seen_comes_first() -> None:
    seen = {"trained_on": 12, "chosen_on": 3, "familiar_patients": 20}
    first, second = shortcomings(figures(FAULTLESS, overlap=seen, photographs=43))
    assert "trained on 12 of these 43 photographs and chosen on 3" in first
    assert "47% of these photographs belong to a patient" in second


HOME = {"value": 0.72, "low": 0.7, "high": 0.75}


@pytest.mark.parametrize(
    ("away", "told"),
    [
        (None, None),
        ({"value": 0.9, "low": 0.8, "high": 0.95}, None),
        ({"value": 0.5, "low": 0.2, "high": 0.71}, None),  # so few that it may be as good
        (0.6, "0.600"),
        ({"value": -0.02, "low": -0.1, "high": 0.06}, "−0.020 (−0.100 to 0.060)"),
    ],
)
def test_a_fall_elsewhere_is_told_where_the_intervals_are_apart(
    away: object, told: str | None
) -> None:
    sentences = elsewhere({"quadratic_weighted_kappa": HOME}, {"quadratic_weighted_kappa": away})
    home = "on its own test part it is 0.720 (0.700 to 0.750)."
    expected = f"Its quadratic weighted kappa is {told}; {home}"
    assert sentences == ([] if told is None else [expected])


def test_of_few_photographs_no_share_is_told() -> None:
    matrix = [[20, 0, 0, 0, 0], [0, 5, 0, 0, 0], [0, 0, 9, 0, 0], [4, 0, 0, 0, 0], [0, 0, 0, 0, 9]]
    assert shortcomings(figures(matrix)) == ["It never answers Severe here."]
