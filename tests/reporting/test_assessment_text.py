from dataclasses import replace

import pytest

from retina.models.config import StartedFrom
from retina.reporting import assessment_text as text
from tests.assessments import MATRIX, assessment


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0.0, "<1 %"), (0.004, "<1 %"), (0.071, "7 %"), (0.5, "50 %"), (0.996, ">99 %"), (1, ">99 %")],
)
def test_share_is_never_quite_0_or_100(probability: float, shown: str) -> None:
    assert text.share(probability).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("grade", "refer", "begins"),
    [
        (2, True, "The probability of grade 2 or above is 30 %, and this model refers from 20 %."),
        (1, True, "Although Mild is the likeliest grade, the probability"),
        (2, False, "Although Moderate alone would mean referral, the probability"),
        (1, False, "The probability"),
    ],
)
def test_referral_says_why_where_it_differs_from_the_grade(
    grade: int, refer: bool, begins: str
) -> None:
    _, reason = text.referral(assessment(grade, referable=refer), 0.2)
    assert reason.replace("\N{NO-BREAK SPACE}", " ").startswith(begins)


def test_a_verdict_is_never_between_two_equal_numbers() -> None:
    answer = replace(assessment(1), referable_probability=0.4668)
    _, reason = text.referral(answer, 0.4712)
    assert "46.68" in reason
    assert "47.12" in reason


def test_how_often_an_answer_was_right() -> None:
    # 30 of the 44 in the column of Moderate.
    right = text.right_of_its_answers(MATRIX, 2).replace("\N{NO-BREAK SPACE}", " ")
    assert right.startswith("Of the 44 test photographs that this model called Moderate")
    assert right.endswith("68 % (53–80) were Moderate.")
    missed = text.right_of_its_answers(MATRIX, 0)
    assert missed.endswith("were No DR; 3 were Moderate or worse.")
    never = [[0] * 5 for _ in range(5)]
    assert "never predicted Severe" in text.right_of_its_answers(never, 3)
    never[3][3] = 1
    assert "predicted Severe only once, correctly" in text.right_of_its_answers(never, 3)


def test_the_origin_is_told_where_pretrained_is_not_imagenet() -> None:
    other = text.started_from(StartedFrom("file", "a model of wallpaper", "0" * 64))
    assert "Did not start from ImageNet" in other
    assert "a model of wallpaper" in other
    assert "Trained from ImageNet" in text.started_from(StartedFrom("imagenet", "torchvision"))
    assert "from scratch" in text.started_from(StartedFrom("random", "He"))


def test_a_share_of_a_row_is_whole_only_where_it_is() -> None:
    shares = [text.share_of_row(value).replace("\N{NO-BREAK SPACE}", " ") for value in (0, 0.001)]
    assert shares == ["0 %", "<1 %"]
    shares = [text.share_of_row(v).replace("\N{NO-BREAK SPACE}", " ") for v in (1, 362 / 363)]
    assert shares == ["100 %", ">99 %"]


def test_elsewhere_tells_what_a_referral_is_worth() -> None:
    figure = {"value": 0.342, "low": 0.256, "high": 0.432}
    metrics = {
        "n": 480,
        "by_patient": True,
        "referable": {"sensitivity": figure, "specificity": None},
        "quadratic_weighted_kappa": {"value": -0.02, "low": -0.1, "high": 0.06},
    }
    assert text.elsewhere("eyepacs", metrics).replace("\N{NO-BREAK SPACE}", " ") == (
        "Elsewhere, on 480 patients of eyepacs: sensitivity 34 % (26–43), specificity unknown, "
        "quadratic weighted kappa −0.02 (−0.10 to 0.06)."
    )
