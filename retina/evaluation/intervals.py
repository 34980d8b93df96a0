"""95 % intervals by bootstrap over patients.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, the percentile interval: patients
are drawn with replacement, each with all of his pictures, since the two eyes of one patient are
not two independent observations.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from retina.evaluation.weighted import WeightedFigures

RESAMPLES = 2000
LEVEL = 0.95
AT_ONCE = 100

Array = npt.NDArray[np.float64]


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
        metrics: What ``compute_metrics`` gave for the same pictures.
        grades: (N,).
        probability: (N, 5).
        patients: (N,) names; pictures of one name are drawn together.
        predicted: As ``compute_metrics`` had it.
        uncalibrated: As ``compute_metrics`` had it.
        resamples: How many.
        seed: Of the draws.

    Returns:
        The same fields; counts, threshold, prevalence and the majority baseline stay as they are,
        and so does a figure that is undefined. An interval always holds its figure: that of the
        calibration error, which a resample can only make worse, is widened where need be.
    """
    values = np.asarray(probability, dtype=np.float64)
    figures = WeightedFigures(
        np.asarray(grades, dtype=np.int64),
        values.argmax(axis=1) if predicted is None else np.asarray(predicted, dtype=np.int64),
        values,
        None if uncalibrated is None else np.asarray(uncalibrated, dtype=np.float64),
        metrics["referable"]["threshold"],
        metrics["referable"]["prevalence"],
    )
    rounds = [figures(weights) for weights in resampled_weights(patients, resamples, seed)]
    return {**metrics, **_bounded(metrics, rounds)}


def resampled_weights(
    patients: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> Iterator[Array]:
    """How often each picture was drawn, resample by resample.

    Args:
        patients: (N,) names.
        resamples: How many, altogether.
        seed: Of the draws.

    Yields:
        (N, up to 100) counts, so that the figures of many resamples are computed at once.
    """
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    count = int(patient.max()) + 1
    random = np.random.default_rng(seed)
    for first in range(0, resamples, AT_ONCE):
        size = min(AT_ONCE, resamples - first)
        drawn = random.multinomial(count, np.full(count, 1 / count), size=size)
        yield drawn.T[patient].astype(np.float64)


def interval(value: float | None, resampled: Array) -> Any:
    """A figure with the interval that its values in the resamples give.

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
            bounded[name] = [interval(value, column) for value, column in columns]
        else:
            bounded[name] = interval(metrics[name], resampled)
    return bounded
