import ast
from dataclasses import replace
from pathlib import Path

import pytest

import retina.scale
from retina.assessment import Assessment, ImageFacts, Quality
from retina.models.config import StartedFrom
from retina.scale import GRADES
from retina.web import text


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


def test_the_origin_is_told_where_pretrained_is_not_imagenet() -> None:
    other = text.started_from(StartedFrom("file", "a model of wallpaper", "0" * 64))
    assert "Did not start from ImageNet" in other
    assert "a model of wallpaper" in other
    assert "Trained from ImageNet" in text.started_from(StartedFrom("imagenet", "torchvision"))
    assert "from scratch" in text.started_from(StartedFrom("random", "He"))


@pytest.mark.parametrize("module", [text, retina.scale])
def test_nothing_reads_as_healthy(module: object) -> None:
    source = Path(str(module.__file__)).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    strings = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    words = " ".join(str(value) for value in strings).lower()
    assert not [word for word in ("healthy", "all clear", "normal eye") if word in words]
