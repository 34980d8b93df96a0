"""Every figure of one set of pictures, for many weightings of its pictures at once.

A picture's weight says how often it counts. Ones give the figures of the set, the counts of a
bootstrap resample those of the resample: a value and its interval come from the same lines.
scikit-learn has the same figures for one weighting at a time, too slow for an interval.

AUROC counts ties as half (Fawcett, Pattern Recognition Letters 2006;27:861-874). AUPRC is average
precision: the precision at each threshold, weighted by the step in recall. Brier score: Brier,
Monthly Weather Review 1950;78:1-3, the sum over the grades, 0 to 2.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from retina.evaluation.calibration import confidence_bins, squared_errors
from retina.evaluation.operating_point import referable_probability
from retina.scale import NUM_GRADES, REFERABLE_FROM, SIGHT_THREATENING_FROM

Array = npt.NDArray[np.float64]


class WeightedFigures:
    """The figures of N pictures, to be called with weights of them.

    Args:
        grades: (N,) whole numbers 0 to 4, N at least 1.
        predicted: (N,) the grades that were answered.
        probability: (N, 5) calibrated probabilities.
        uncalibrated: (N, 5) the probabilities at temperature 1; None leaves their figures out.
        threshold: From which probability of referable disease a picture is referred.
        prevalence: Of referable disease, 0 to 1, for the predictive values.
    """

    def __init__(
        self,
        grades: npt.NDArray[np.int64],
        predicted: npt.NDArray[np.int64],
        probability: Array,
        uncalibrated: Array | None,
        threshold: float,
        prevalence: float,
    ) -> None:
        self._prevalence = prevalence
        self._cell = np.eye(NUM_GRADES**2)[grades * NUM_GRADES + predicted]
        score = referable_probability(probability)
        self._referred = np.eye(NUM_GRADES)[grades] * (score >= threshold)[:, None]
        self._calibration = _Calibration(grades, predicted, probability)
        self._before = None
        if uncalibrated is not None:
            self._before = _Calibration(grades, predicted, uncalibrated)
        self._grades = [_Ranking(probability[:, g], grades == g) for g in range(NUM_GRADES)]
        self._referable = _Ranking(score, grades >= REFERABLE_FROM)
        threatening = probability[:, SIGHT_THREATENING_FROM:].sum(axis=1)
        self._threatening = _Ranking(threatening, grades >= SIGHT_THREATENING_FROM)

    def __call__(self, weights: Array) -> dict[str, Any]:
        """Compute every figure for each of B weightings.

        Args:
            weights: (N, B), at least 0, each column adding up to more than 0.

        Returns:
            (B,) float64 a figure, (B, 5) one of each grade, a dictionary of them where figures
            belong together; NaN where the weighted set does not define a figure.
        """
        matrices = (weights.T @ self._cell).reshape(-1, NUM_GRADES, NUM_GRADES)
        with np.errstate(divide="ignore", invalid="ignore"):
            areas = [ranking.areas(weights) for ranking in self._grades]
            figures = {
                **_of_matrices(matrices),
                **self._calibration(weights),
                "auroc": np.stack([auroc for auroc, _ in areas], axis=1),
                "auprc": np.stack([auprc for _, auprc in areas], axis=1),
                "referable": {
                    **self._of_referrals(weights.T @ self._referred, matrices.sum(axis=2)),
                    "auroc": self._referable.areas(weights)[0],
                },
                "sight_threatening": {"auroc": self._threatening.areas(weights)[0]},
            }
            if self._before is not None:
                figures["before_temperature"] = self._before(weights)
        return figures

    def _of_referrals(self, referred: Array, true: Array) -> dict[str, Array]:
        """The figures of the operating point from (B, 5) referred and (B, 5) all of each grade."""
        left = true - referred
        sick, healthy = true[:, REFERABLE_FROM:], true[:, :REFERABLE_FROM]
        sensitivity = referred[:, REFERABLE_FROM:].sum(axis=1) / sick.sum(axis=1)
        specificity = left[:, :REFERABLE_FROM].sum(axis=1) / healthy.sum(axis=1)
        found = self._prevalence * sensitivity
        missed = self._prevalence * (1 - sensitivity)
        spared = (1 - self._prevalence) * specificity
        alarmed = (1 - self._prevalence) * (1 - specificity)
        return {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "positive_predictive_value": found / (found + alarmed),
            "negative_predictive_value": spared / (spared + missed),
            "referred": referred / true,
        }


def _of_matrices(counts: Array) -> dict[str, Array]:
    """The figures of (B, 5, 5) confusion matrices; means are over the grades that occur."""
    total = counts.sum(axis=(1, 2))
    right = np.einsum("bkk->bk", counts)
    true, answered = counts.sum(axis=2), counts.sum(axis=1)
    occurs = true > 0
    steps = np.arange(NUM_GRADES)
    cost = (steps[:, None] - steps) ** 2
    expected = np.einsum("bi,bj,ij->b", true, answered, cost) / total
    recall = right / true
    f1 = 2 * right / (true + answered)
    return {
        "accuracy": right.sum(axis=1) / total,
        "balanced_accuracy": np.where(occurs, recall, 0).sum(axis=1) / occurs.sum(axis=1),
        "quadratic_weighted_kappa": 1 - np.einsum("bij,ij->b", counts, cost) / expected,
        "macro_f1": np.where(occurs, f1, 0).sum(axis=1) / occurs.sum(axis=1),
        "recall": recall,
        "precision": right / answered,
    }


class _Calibration:
    """Expected calibration error and Brier score."""

    def __init__(
        self, grades: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], probability: Array
    ) -> None:
        place, gap = confidence_bins(grades, probability, predicted=predicted)
        self._gap = np.eye(int(place.max()) + 1)[place] * gap[:, None]
        self._error = squared_errors(grades, probability)

    def __call__(self, weights: Array) -> dict[str, Array]:
        total = weights.sum(axis=0)
        return {
            "ece": np.abs(weights.T @ self._gap).sum(axis=1) / total,
            "brier": self._error @ weights / total,
        }


class _Ranking:
    """Pictures in the order of a score, highest first: sorted once, whatever their weights.

    Only thresholds that catch a positive picture add to an area, so only those are looked at.
    """

    def __init__(self, score: Array, positive: npt.NDArray[np.bool_]) -> None:
        self._order = np.argsort(-score, kind="stable")
        place = np.cumsum(np.diff(score[self._order], prepend=np.inf) != 0) - 1
        ranked = positive[self._order]
        self._positives = self._order[ranked]
        thresholds, self._first = np.unique(place[ranked], return_index=True)
        self._start = np.searchsorted(place, thresholds, side="left")
        self._end = np.searchsorted(place, thresholds, side="right")

    def areas(self, weights: Array) -> tuple[Array, Array]:
        """AUROC and AUPRC for (N, B) weights: (B,) each, NaN where one class has no weight."""
        if not len(self._positives):
            undefined = np.full(weights.shape[1], np.nan)
            return undefined, undefined
        caught = np.cumsum(weights[self._order], axis=0)
        total, caught = caught[-1], np.concatenate([np.zeros_like(caught[:1]), caught])
        before, after = caught[self._start], caught[self._end]
        more = np.add.reduceat(weights[self._positives], self._first, axis=0)
        found = np.cumsum(more, axis=0)
        sick, healthy = found[-1], total - found[-1]
        tied = after - before - more
        auroc = (more * (healthy - (after - found) + tied / 2)).sum(axis=0) / (sick * healthy)
        precision = np.where(after > 0, found / after, 0)
        auprc = np.where(healthy > 0, (more * precision).sum(axis=0) / sick, np.nan)
        return auroc, auprc
