"""An assessment, and a confusion matrix, for the tests of what is said of them."""

from dataclasses import replace

from retina.assessment import Assessment, ImageFacts, Quality
from retina.scale import GRADES

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
