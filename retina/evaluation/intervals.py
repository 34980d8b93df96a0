"""95 % intervals by bootstrap over patients.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, the percentile interval: patients
are drawn with replacement, each with all of his pictures, since the two eyes of one patient are
not two independent observations.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from retina.evaluation.calibration import confidence_bins
from retina.evaluation.operating_point import referable_probability
from retina.scale import NUM_GRADES, REFERABLE_FROM

RESAMPLES = 2000
LEVEL = 0.95
AT_ONCE = 100

WHOLE_SET = ("accuracy", "balanced_accuracy", "quadratic_weighted_kappa", "macro_f1", "ece")
REFERABLE = ("sensitivity", "specificity", "auroc")

Array = npt.NDArray[np.float64]


def add_intervals(
    metrics: Mapping[str, Any],
    grades: npt.ArrayLike,
    probability: npt.ArrayLike,
    patients: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Replace each figure that has an interval by ``{value, low, high}``.

    Args:
        metrics: What ``compute_metrics`` gave for the same pictures.
        grades: (N,).
        probability: (N, 5).
        patients: (N,) names; pictures of one name are drawn together.
        resamples: How many.
        seed: Of the draws.

    Returns:
        The same fields; counts, the threshold and the majority baseline stay as they are, and so
        does a figure that is undefined. An interval always holds its figure: that of the
        calibration error, which a resample can only make worse, is widened where need be.
    """
    sample = _Sample(grades, probability, metrics["referable"]["threshold"])
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    random = np.random.default_rng(seed)
    rounds = []
    for first in range(0, resamples, AT_ONCE):
        count = min(AT_ONCE, resamples - first)
        drawn = random.multinomial(
            patient.max() + 1, np.full(patient.max() + 1, 1 / (patient.max() + 1)), size=count
        )
        rounds.append(sample.figures(drawn[:, patient].astype(np.float64)))
    figures = {name: np.concatenate([each[name] for each in rounds]) for name in rounds[0]}

    bounded = dict(metrics)
    for name in WHOLE_SET:
        bounded[name] = _interval(metrics[name], figures[name])
    bounded["recall"] = [
        _interval(value, figures[f"recall_{grade}"])
        for grade, value in enumerate(metrics["recall"])
    ]
    bounded["referable"] = dict(metrics["referable"])
    for name in REFERABLE:
        bounded["referable"][name] = _interval(metrics["referable"][name], figures[name])
    return bounded


class _Sample:
    """One set of pictures, whose figures are computed for many weightings of them at once."""

    def __init__(self, grades: npt.ArrayLike, probability: npt.ArrayLike, threshold: float) -> None:
        truth = np.asarray(grades, dtype=np.int64)
        values = np.asarray(probability, dtype=np.float64)
        predicted = values.argmax(axis=1)
        self.cell = _one_hot(truth * NUM_GRADES + predicted, NUM_GRADES**2)
        bins, gap = confidence_bins(truth, values)
        self.gap = _one_hot(bins, int(bins.max()) + 1) * gap[:, None]
        score = referable_probability(values)
        self.diseased = truth >= REFERABLE_FROM
        self.referred = score >= threshold
        self.order = np.argsort(score, kind="stable")
        self.ties = np.flatnonzero(np.diff(score[self.order], prepend=-np.inf))

    def figures(self, weights: Array) -> dict[str, Array]:
        """Every figure for each row of (B, N) weights: (B,), NaN where it is undefined."""
        counts = (weights @ self.cell).reshape(-1, NUM_GRADES, NUM_GRADES)
        total = counts.sum(axis=(1, 2))
        right = np.einsum("bkk->bk", counts)
        true, answered = counts.sum(axis=2), counts.sum(axis=1)
        steps = np.arange(NUM_GRADES)
        cost = (steps[:, None] - steps) ** 2
        expected = np.einsum("bi,bj,ij->b", true, answered, cost) / total
        sick, healthy = weights * self.diseased, weights * ~self.diseased
        with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            recall = right / true
            f1 = np.where(true > 0, 2 * right / (true + answered), np.nan)
            return {
                "accuracy": right.sum(axis=1) / total,
                "balanced_accuracy": np.nanmean(recall, axis=1),
                "quadratic_weighted_kappa": 1 - np.einsum("bij,ij->b", counts, cost) / expected,
                "macro_f1": np.nanmean(f1, axis=1),
                "ece": np.abs(weights @ self.gap).sum(axis=1) / total,
                **{f"recall_{grade}": recall[:, grade] for grade in range(NUM_GRADES)},
                "sensitivity": sick @ self.referred / sick.sum(axis=1),
                "specificity": healthy @ ~self.referred / healthy.sum(axis=1),
                "auroc": self._auroc(sick, healthy),
            }

    def _auroc(self, sick: Array, healthy: Array) -> Array:
        """The share of pairs of a sick and a healthy picture that the score orders rightly."""
        positive = np.add.reduceat(sick[:, self.order], self.ties, axis=1)
        negative = np.add.reduceat(healthy[:, self.order], self.ties, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        return np.asarray((positive * below).sum(axis=1) / pairs)


def _one_hot(codes: npt.NDArray[np.int64], count: int) -> Array:
    return np.asarray(np.eye(count)[codes])


def _interval(value: float | None, resampled: Array) -> Any:
    defined = resampled[np.isfinite(resampled)]
    if value is None or not len(defined):
        return value
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": value, "low": float(min(low, value)), "high": float(max(high, value))}
