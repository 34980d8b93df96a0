from collections.abc import Sequence

import pytest

from retina.assessment import Quality
from retina.inference.warnings import warnings_for

GOOD, REJECTED = Quality("good", 1.0), Quality("reject", 0.1, ("Blurred.",))


def sure_of(grade: int) -> list[float]:
    return [0.96 if number == grade else 0.01 for number in range(5)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([0.41, 0.32, 0.27, 0.0, 0.0], ("No DR and Mild are almost equally likely.",)),
        ([0.43, 0.32, 0.25, 0.0, 0.0], ()),
    ],
)
def test_a_close_call_is_said(answer: list[float], expected: tuple[str, ...]) -> None:
    assert warnings_for(answer, GOOD, None) == expected


def test_that_the_gate_was_overruled_is_said_first() -> None:
    first, second = warnings_for([0.5, 0.5, 0.0, 0.0, 0.0], REJECTED, None)
    assert first.startswith("The quality gate rejected this photograph")
    assert "equally likely" in second


def metrics(*recognised: tuple[int, int]) -> dict[str, Sequence[Sequence[int]]]:
    """Of a test in which a model recognised so many of so many of each grade."""
    matrix = [[0] * 5 for _ in range(5)]
    for grade, (hits, count) in enumerate(recognised):
        matrix[grade][grade] = hits
        matrix[grade][(grade + 1) % 5] += count - hits
    return {"confusion_matrix": matrix}


def test_a_model_that_is_poor_at_its_answer_or_at_worse_ones_says_so() -> None:
    poor = metrics((90, 90), (2, 10), (1, 30), (0, 1_500), (5, 9))
    assert warnings_for(sure_of(1), GOOD, poor) == (
        "This model recognised 2 of 10 Mild test photographs.",
        "This model recognised 1 of 30 Moderate test photographs.",
        "This model recognised none of 1,500 Severe test photographs.",
    )
    assert warnings_for(sure_of(4), GOOD, poor) == ()
    assert warnings_for(sure_of(1), GOOD, metrics(*[(5, 10)] * 5)) == ()
    assert warnings_for(sure_of(1), GOOD, metrics(*[(0, 0)] * 5)) == ()
