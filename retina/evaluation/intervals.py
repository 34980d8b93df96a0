"""95 % intervals by bootstrap over patients.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, the percentile interval: patients
are drawn with replacement, each with all of his photographs, since the two eyes of one patient are
not two independent observations.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from retina.evaluation.calibration import Array
from retina.evaluation.metrics import WeightedFigures
from retina.scale import REFERABLE_FROM

RESAMPLES = 2000
LEVEL = 0.95
AT_ONCE, COUNTS_AT_ONCE = 100, 1_000_000
"""Resamples, and their counts, that are in memory at a time; no figure depends on either."""


def add_intervals(
    metrics: Mapping[str, Any],
    grades: npt.ArrayLike,
    probability: npt.ArrayLike,
    patients: Sequence[str],
    *,
    predicted: npt.ArrayLike | None = None,
    uncalibrated: npt.ArrayLike | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Replace each figure that has an interval by ``{value, low, high}``.

    Args:
        metrics: What ``compute_metrics`` gave for the same photographs.
        grades: (N,).
        probability: (N, 5).
        patients: (N,) names; photographs of one name are drawn together.
        predicted: As ``compute_metrics`` had it.
        uncalibrated: As ``compute_metrics`` had it.
        resamples: How many.
        seed: Seed of the bootstrap.

    Returns:
        The same fields; counts, threshold, prevalence and the majority baseline stay as they are,
        and so does a figure that is undefined. An interval always holds its figure: that of the
        calibration error, which a resample can only make worse, is widened where need be. Where all
        or none of a share's photographs count, every resample says the same; the other bound is
        Wilson's then, of as many as there are patients among them.
    """
    values = np.asarray(probability, dtype=np.float64)
    true = np.asarray(grades, dtype=np.int64)
    answers = values.argmax(axis=1) if predicted is None else np.asarray(predicted, dtype=np.int64)
    figures = WeightedFigures(
        true,
        answers,
        values,
        None if uncalibrated is None else np.asarray(uncalibrated, dtype=np.float64),
        metrics["referable"]["threshold"],
        metrics["referable"]["prevalence"],
    )
    rounds = [figures(weights) for weights in resampled_weights(patients, resamples, seed)]
    bounded = {**metrics, **_bounded(metrics, rounds)}
    return _widened_at_the_ends(bounded, true, answers, np.asarray(patients))


def resampled_weights(
    patients: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> Iterator[Array]:
    """Draw resamples: how often each photograph occurs in each.

    Args:
        patients: (N,) names.
        resamples: How many, altogether.
        seed: Seed of the bootstrap.

    Yields:
        (N, up to 100) counts, so that the figures of many resamples are computed at once.
    """
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    count = int(patient.max()) + 1
    random = np.random.default_rng(seed)
    at_once = max(1, min(AT_ONCE, COUNTS_AT_ONCE // len(patient)))
    for first in range(0, resamples, at_once):
        size = min(at_once, resamples - first)
        drawn = random.multinomial(count, np.full(count, 1 / count), size=size)
        yield drawn.T[patient].astype(np.float64)


def percentile_interval(value: float | None, resampled: Array) -> Any:
    """Join a figure with the interval of its values in the resamples.

    Args:
        value: On the set itself; None where it is undefined there.
        resampled: (B,), NaN where a resample does not define it; those are passed over.

    Returns:
        ``{value, low, high}``, or ``value`` alone where there is nothing to take bounds from.
    """
    defined = resampled[np.isfinite(resampled)]
    if value is None or not len(defined):
        return value
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": value, "low": float(min(low, value)), "high": float(max(high, value))}


def _widened_at_the_ends(
    metrics: dict[str, Any],
    grades: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    patients: npt.NDArray[Any],
) -> dict[str, Any]:
    def widened(figure: Any, counted: npt.NDArray[np.bool_]) -> Any:
        if not isinstance(figure, dict) or figure["value"] not in (0.0, 1.0):
            return figure
        count = len(np.unique(patients[counted]))
        bounds = wilson(int(figure["value"]) * count, count)
        end = {"low": bounds[0]} if figure["value"] else {"high": bounds[1]}
        return {**figure, **end}

    def by_grade(figures: Sequence[Any], answers: npt.NDArray[np.int64]) -> list[Any]:
        return [widened(figure, answers == grade) for grade, figure in enumerate(figures)]

    referable = metrics["referable"]
    return {
        **metrics,
        "recall": by_grade(metrics["recall"], grades),
        "precision": by_grade(metrics["precision"], predicted),
        "referable": {
            **referable,
            "sensitivity": widened(referable["sensitivity"], grades >= REFERABLE_FROM),
            "specificity": widened(referable["specificity"], grades < REFERABLE_FROM),
            "referred": by_grade(referable["referred"], grades),
        },
    }


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, ``hits`` of ``count``; ``count`` is at least 1.

    As scipy's ``binomtest`` computes it, which takes longer to import than a photograph to grade.
    Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine
    1998;17:857-872, the third.
    """
    z = float(ndtri((1 + LEVEL) / 2))
    share, scale = hits / count, 2 * (count + z**2)
    middle = (2 * hits + z**2) / scale
    reach = z / scale * math.sqrt(4 * hits * (1 - share) + z**2)
    low = middle - reach if hits else 0.0
    high = middle + reach if hits < count else 1.0
    return low, high


def _bounded(metrics: Mapping[str, Any], rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of ``rounds``, with their values in ``metrics``, in the form of ``metrics``."""
    bounded: dict[str, Any] = {}
    for name, first in rounds[0].items():
        if isinstance(first, dict):
            inner = _bounded(metrics[name], [each[name] for each in rounds])
            bounded[name] = {**metrics[name], **inner}
            continue
        resampled = np.concatenate([each[name] for each in rounds])
        if first.ndim == 2:
            columns = zip(metrics[name], resampled.T, strict=True)
            bounded[name] = [percentile_interval(value, column) for value, column in columns]
        else:
            bounded[name] = percentile_interval(metrics[name], resampled)
    return bounded


Matrix = Sequence[Sequence[int]]

POOR_RECALL = 0.5
"""Who recognises fewer of a grade's test photographs than this share is said to be poor at it."""


@dataclass(frozen=True)
class Proportion:
    """A proportion with its 95 % interval.

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
    """The precision of a grade: the share of its predictions that are right.

    Args:
        matrix: Counts; a row for each true grade, a column for each answer.
        grade: 0 to 4.

    Returns:
        None where the model never gave this answer.
    """
    return _proportion(matrix[grade][grade], sum(row[grade] for row in matrix))


def recall_of(matrix: Matrix, grade: int) -> Proportion | None:
    """The recall of a grade: the share of its photographs that are recognised.

    Args:
        matrix: Counts; a row for each true grade, a column for each answer.
        grade: 0 to 4.

    Returns:
        None where there was no such photograph.
    """
    return _proportion(matrix[grade][grade], sum(matrix[grade]))


def _proportion(hits: int, count: int) -> Proportion | None:
    if count == 0:
        return None
    return Proportion(hits, count, hits / count, *wilson(hits, count))
