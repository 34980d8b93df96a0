"""How far one answer of a model can be trusted, by the model's confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass

from retina.evaluation.intervals import wilson

Matrix = Sequence[Sequence[int]]

POOR_RECALL = 0.5
"""Who recognises fewer of a grade's test photographs than this share is said to be poor at it."""


@dataclass(frozen=True)
class Proportion:
    """So many of so many, with what chance allows.

    Attributes:
        hits: How many.
        count: Of how many, at least 1.
        value: ``hits / count``.
        low: Lower end of Wilson's 95 % interval.
        high: Upper end of it.
    """

    hits: int
    count: int
    value: float
    low: float
    high: float


def precision_of(matrix: Matrix, grade: int) -> Proportion | None:
    """Of the pictures that the model called a grade, those that were of it.

    Args:
        matrix: Counts; a row for each true grade, a column for each answer.
        grade: 0 to 4.

    Returns:
        None where the model never gave this answer.
    """
    return _proportion(matrix[grade][grade], sum(row[grade] for row in matrix))


def recall_of(matrix: Matrix, grade: int) -> Proportion | None:
    """Of the pictures of a grade, those that the model recognised.

    Args:
        matrix: Counts; a row for each true grade, a column for each answer.
        grade: 0 to 4.

    Returns:
        None where there was no such picture.
    """
    return _proportion(matrix[grade][grade], sum(matrix[grade]))


def _proportion(hits: int, count: int) -> Proportion | None:
    if count == 0:
        return None
    return Proportion(hits, count, hits / count, *wilson(hits, count))
