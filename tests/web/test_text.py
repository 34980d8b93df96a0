import ast
from dataclasses import replace
from pathlib import Path

import pytest

import retina.inference.grader
import retina.scale
from retina.assessment import Assessment, ImageFacts, Quality
from retina.models.config import StartedFrom
from retina.scale import GRADES
from retina.web import api_text, models_text, text

MATRIX = [[50, 4, 1, 0, 0], [6, 9, 5, 0, 0], [3, 6, 30, 4, 2], [0, 0, 5, 6, 1], [0, 0, 3, 2, 8]]


def assessment(grade: int | None, *, referable: bool = False) -> Assessment:
    probabilities = tuple(0.6 if number == grade else 0.1 for number in range(5))
    answer = Assessment(
        model="resnet18-scratch",
        model_sha256="a" * 64,
        grade=grade,
        label=None if grade is None else GRADES[grade].label,
        probabilities=probabilities,
        confidence=0.6,
        referable=referable,
        referable_probability=0.3,
        sight_threatening_probability=0.2,
        quality=Quality("good", 1.0),
        image=ImageFacts("eye.jpg", "b" * 64, 640, 480),
        warnings=(),
        seconds=0.1,
    )
    if grade is None:
        return replace(answer, probabilities=None, quality=Quality("reject", 0.1, ("Too dark.",)))
    return answer


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0.0, "<1 %"), (0.004, "<1 %"), (0.071, "7 %"), (0.5, "50 %"), (0.996, ">99 %"), (1, ">99 %")],
)
def test_share_is_never_quite_0_or_100(probability: float, shown: str) -> None:
    assert text.share(probability).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("grades", "sentence"),
    [
        ([2], "Only one model is here, so there is nothing to compare it with: it says Moderate."),
        ([0, 0], "All 2 models agree: No DR. None would refer."),
        ([1, 2, 1], "The models disagree: 2 say Mild, 1 says Moderate. Their grades lie 1 grade"),
        ([0, 4], "Their grades lie up to 4 grades apart."),
        ([None, None], "no model graded it"),
    ],
)
def test_agreement(grades: list[int | None], sentence: str) -> None:
    assert sentence in text.agreement([assessment(grade) for grade in grades])


def test_agreement_says_who_would_refer() -> None:
    both = [assessment(2, referable=True), assessment(2)]
    assert text.agreement(both).endswith("1 of 2 would refer.")
    assert text.agreement(both[:1] * 3).endswith("All would refer.")


def eye(name: str, grade: int | None, probability: float = 0.1, refer: bool = False) -> Assessment:
    facts = ImageFacts(name, name, 9, 9)
    answer = assessment(grade, referable=refer)
    return replace(answer, image=facts, referable_probability=probability)


@pytest.mark.parametrize(
    ("eyes", "sentence"),
    [
        ([eye("r", 1), eye("l", 0)], "Worse eye: r, Mild. Neither eye reaches the referral"),
        (
            [eye("r", 0), eye("l", 3, 0.9, True)],
            "Worse eye: l, Severe. Refer: l reached the referral threshold, and one eye is enough.",
        ),
        (
            [eye("r", 1), eye("l", 0, 0.5, True)],
            "Worse eye: r, Mild. Refer: l reached the referral threshold, and one eye is enough.",
        ),
        (
            [eye("r", 2, 0.8, True), eye("l", 2, 0.9, True)],
            "Both eyes: Moderate. Refer: r and l reached",
        ),
        (
            [eye("r", 2), eye("l", 0)],
            "Worse eye: r, Moderate. Neither eye reaches the referral threshold, although Moderate "
            "alone would mean referral",
        ),
        ([eye("r", 0), eye("l", None)], "Only r could be graded: No DR. l is too poor"),
        ([eye("r", None), eye("l", None)], "Neither photograph could be graded. Ungradable twice"),
    ],
)
def test_the_worse_eye_decides_for_the_patient(eyes: list[Assessment], sentence: str) -> None:
    assert text.patient(eyes).startswith(sentence)


@pytest.mark.parametrize(
    ("eyes", "unread"),
    [
        ([eye("r", 0), eye("l", None)], []),
        ([eye("r", 0), replace(eye("l", 0), quality=Quality("reject", 0.1))], []),
        ([eye("r", 0)], ["l"]),
        ([eye("r", None)], ["l"]),
    ],
)
def test_an_eye_that_is_poor_or_unread_clears_nobody(
    eyes: list[Assessment], unread: list[str]
) -> None:
    sentence = text.patient(eyes, unread)
    assert "Neither eye" not in sentence
    assert " l " in sentence


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
    assert "never answered Severe" in text.right_of_its_answers(never, 3)
    never[3][3] = 1
    assert "answered Severe once only, rightly" in text.right_of_its_answers(never, 3)


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


@pytest.mark.parametrize(
    "module", [text, models_text, api_text, retina.scale, retina.inference.grader]
)
def test_nothing_reads_as_healthy(module: object) -> None:
    source = Path(str(module.__file__)).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    strings = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    words = " ".join(str(value) for value in strings).lower()
    wrong = ("healthy", "all clear", "normal eye", "no disease", "nothing to worry")
    assert not [word for word in wrong if word in words]
