import ast
from dataclasses import replace
from pathlib import Path

import pytest

import retina.inference.grader
import retina.reporting.assessment_text
import retina.scale
from retina.assessment import Assessment, ImageFacts, Quality
from retina.web import text
from retina.web import text as api_text
from retina.web.text import models as models_text
from tests.assessments import assessment


@pytest.mark.parametrize(
    ("grades", "sentence"),
    [
        ([2], "Only one model is here, so there is nothing to compare it with: it says Moderate."),
        ([0, 0], "All 2 models agree: No DR. None would refer."),
        ([1, 2, 1], "The models disagree: 2 say Mild, 1 says Moderate. Their grades lie 1 grade"),
        ([0, 4], "Their grades lie up to 4 grades apart."),
        ([None, None], "no model graded it"),
        ([2, None], "1 of 2 models graded this photograph. It says Moderate."),
        (
            [0, 0, None],
            "2 of 3 models graded this photograph. All 2 models agree: No DR. None would",
        ),
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
    "module",
    [
        text,
        models_text,
        api_text,
        retina.scale,
        retina.inference.grader,
        retina.reporting.assessment_text,
    ],
)
def test_nothing_reads_as_healthy(module: object) -> None:
    source = Path(str(module.__file__)).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    strings = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    words = " ".join(str(value) for value in strings).lower()
    wrong = ("healthy", "all clear", "normal eye", "no disease", "nothing to worry")
    assert not [word for word in wrong if word in words]
