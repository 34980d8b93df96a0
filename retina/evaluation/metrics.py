"""All figures of a set of photographs, for many weightings at once.

A photograph's weight says how often it counts. Ones give the figures of the set, the counts of a
bootstrap resample those of the resample: a value and its interval come from the same lines.
scikit-learn has the same figures for one weighting at a time, too slow for an interval.

AUROC counts ties as half (Fawcett, Pattern Recognition Letters 2006;27:861-874). AUPRC is average
precision: the precision at each threshold, weighted by the step in recall. Brier score: Brier,
Monthly Weather Review 1950;78:1-3, the sum over the grades, 0 to 2.
"""

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from retina.errors import SettingsError
from retina.evaluation.calibration import (
    Array,
    confidence_bins,
    referable_probability,
    squared_errors,
)
from retina.scale import NUM_GRADES, REFERABLE_FROM, SIGHT_THREATENING_FROM


class WeightedFigures:
    """The figures of N photographs, as a function of their weights.

    Args:
        grades: (N,) whole numbers 0 to 4, N at least 1.
        predicted: (N,) the grades that were answered.
        probability: (N, 5) calibrated probabilities.
        uncalibrated: (N, 5) the probabilities at temperature 1; None leaves their figures out.
        threshold: From which probability of referable disease a photograph is referred.
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
    """Photographs in the order of a score, highest first: sorted once, whatever their weights.

    Only thresholds that catch a positive photograph add to an area, so only those are looked at.
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


def quadratic_weighted_kappa(grades: npt.ArrayLike, predicted: npt.ArrayLike) -> float | None:
    """Cohen's kappa with quadratic weights: 1 perfect, 0 chance.

    None where it is undefined: truth and answers are all one and the same grade.
    """
    from sklearn.metrics import cohen_kappa_score  # slow to import, and grading does without

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = cohen_kappa_score(
            grades, predicted, labels=list(range(NUM_GRADES)), weights="quadratic"
        )
    return _number(value)


def compute_metrics(
    grades: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float,
    *,
    predicted: npt.ArrayLike | None = None,
    uncalibrated: npt.ArrayLike | None = None,
    prevalence: float | None = None,
) -> dict[str, Any]:
    """All figures of one set, in the form of ``retina evaluate --json``.

    Args:
        grades: (N,) whole numbers 0 to 4, N at least 1.
        probability: (N, 5) calibrated probabilities.
        threshold: The checkpoint's operating point for referable disease.
        predicted: (N,) the grades answered; by default those of the highest probability.
        uncalibrated: (N, 5) the probabilities at temperature 1, to show what the temperature did.
        prevalence: Of referable disease, above 0 and below 1, where the predictive values are
            wanted for other people than the set's; by default the set's own share.

    Returns:
        ``n``; ``accuracy``, ``majority_baseline_accuracy``, ``balanced_accuracy``,
        ``quadratic_weighted_kappa``, ``macro_f1``, ``ece``, ``brier``; of each grade against the
        rest ``recall``, ``precision``, ``auroc``, ``auprc``; ``referable{sensitivity, specificity,
        auroc, threshold, prevalence, positive_predictive_value, negative_predictive_value,
        referred}``, the last the share of each true grade that is referred;
        ``sight_threatening{auroc}``; ``before_temperature{ece, brier}`` if ``uncalibrated`` is
        given; and ``confusion_matrix`` (counts; rows are the truth). Balanced accuracy and macro F1
        are means over the grades that occur in the truth. A figure that the set does not define is
        None: recall and areas of a grade that does not occur, precision of one that is never
        answered, areas where nothing else occurs, kappa where truth and answers are one grade.

    Raises:
        SettingsError: the prevalence is no share that some people have and some have not.
    """
    check_prevalence(prevalence)
    truth = np.asarray(grades, dtype=np.int64)
    values = np.asarray(probability, dtype=np.float64)
    answers = values.argmax(axis=1) if predicted is None else np.asarray(predicted, dtype=np.int64)
    if prevalence is None:
        prevalence = float((truth >= REFERABLE_FROM).mean())
    matrix = np.zeros((NUM_GRADES, NUM_GRADES), dtype=np.int64)
    np.add.at(matrix, (truth, answers), 1)
    before = None if uncalibrated is None else np.asarray(uncalibrated, dtype=np.float64)
    weighted = WeightedFigures(truth, answers, values, before, threshold, prevalence)
    figures = _plain(weighted(np.ones((truth.size, 1))))
    return {
        "n": int(truth.size),
        "majority_baseline_accuracy": float(np.bincount(truth).max() / truth.size),
        **figures,
        "referable": {**figures["referable"], "threshold": threshold, "prevalence": prevalence},
        "confusion_matrix": matrix.tolist(),
    }


def check_prevalence(prevalence: float | None) -> None:
    """Check that a prevalence lies above 0 and below 1, or is None.

    Raises:
        SettingsError: it is not.
    """
    if prevalence is not None and not 0 < prevalence < 1:
        raise SettingsError(f"a prevalence of {prevalence} cannot be: give a share between 0 and 1")


def _plain(figures: Any) -> Any:
    """What ``WeightedFigures`` gives for one weighting, as numbers; None for what is undefined."""
    if isinstance(figures, dict):
        return {name: _plain(figure) for name, figure in figures.items()}
    if figures.ndim == 2:
        return [_number(value) for value in figures[0]]
    return _number(figures[0])


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
