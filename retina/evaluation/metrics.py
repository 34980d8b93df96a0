"""The figures of a five-grade classifier on one set of pictures."""

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score

from retina.errors import SettingsError
from retina.evaluation.weighted import WeightedFigures
from retina.scale import NUM_GRADES, REFERABLE_FROM


def quadratic_weighted_kappa(grades: npt.ArrayLike, predicted: npt.ArrayLike) -> float | None:
    """Cohen's kappa with quadratic weights: 1 perfect, 0 chance.

    None where it is undefined: truth and answers are all one and the same grade.
    """
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
    """Make sure that a prevalence is above 0 and below 1, or not given.

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
