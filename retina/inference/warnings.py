"""Warnings about relying on a grade."""

from collections.abc import Sequence
from typing import Any

from retina.assessment import Quality
from retina.evaluation.intervals import POOR_RECALL, recall_of
from retina.scale import LABELS, REFERABLE_FROM

CLOSE = 0.10
"""How near two grades are to each other, or an answer to the referral threshold, to be unsure."""


def warnings_for(
    answer: list[float], quality: Quality, metrics: dict[str, Any] | None
) -> tuple[str, ...]:
    """The sentences of ``Assessment.warnings``.

    Args:
        answer: The probabilities of the five grades.
        quality: What the gate says of the photograph.
        metrics: Figures of the model on its test split; None where it has not been evaluated.
    """
    warnings = []
    if quality.verdict == "reject":
        warnings.append("The quality gate rejected this photograph; it was graded all the same.")
    if sentence := close_call(answer):
        warnings.append(sentence)
    if metrics is not None:
        warnings += _poorly_recognised(answer.index(max(answer)), metrics["confusion_matrix"])
    return tuple(warnings)


def close_call(probabilities: Sequence[float]) -> str:
    """The sentence that a reader should know, or empty where one grade is clearly likelier.

    Args:
        probabilities: Probabilities of the five grades.
    """
    first, second = sorted(range(len(LABELS)), key=lambda grade: -probabilities[grade])[:2]
    if probabilities[first] - probabilities[second] >= CLOSE:
        return ""
    return f"{LABELS[first]} and {LABELS[second]} are almost equally likely."


def _poorly_recognised(grade: int, matrix: Sequence[Sequence[int]]) -> list[str]:
    """Whether the answer, or a worse grade that it may stand for, is one the model is poor at."""
    sentences = []
    for other in range(grade, len(LABELS)):
        recall = recall_of(matrix, other)
        if (
            recall is None
            or recall.value >= POOR_RECALL
            or not (other == grade or other >= REFERABLE_FROM)
        ):
            continue
        found = f"{recall.hits:,}" if recall.hits else "none"
        sentences.append(
            f"This model recognised {found} of {recall.count:,} {LABELS[other]} test photographs."
        )
    return sentences
