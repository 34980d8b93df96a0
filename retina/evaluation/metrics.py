"""The figures of a five-grade classifier on one set of pictures, through scikit-learn."""

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    recall_score,
    roc_auc_score,
)

from retina.evaluation.calibration import expected_calibration_error
from retina.evaluation.operating_point import referable_probability
from retina.scale import NUM_GRADES, REFERABLE_FROM

GRADE_NUMBERS = range(NUM_GRADES)


def quadratic_weighted_kappa(grades: npt.ArrayLike, predicted: npt.ArrayLike) -> float | None:
    """Cohen's kappa with quadratic weights: 1 perfect, 0 chance.

    None where it is undefined: truth and answers are all one and the same grade.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = cohen_kappa_score(
            grades, predicted, labels=list(GRADE_NUMBERS), weights="quadratic"
        )
    return _number(value)


def compute_metrics(
    grades: npt.ArrayLike, probability: npt.ArrayLike, threshold: float
) -> dict[str, Any]:
    """All figures of one set, in the form of ``retina evaluate --json``.

    Args:
        grades: (N,) whole numbers 0 to 4, N at least 1.
        probability: (N, 5) calibrated probabilities.
        threshold: The checkpoint's operating point for referable disease.

    Returns:
        ``n, accuracy, balanced_accuracy, quadratic_weighted_kappa, macro_f1,
        majority_baseline_accuracy, ece, recall`` (of each grade),
        ``referable{sensitivity, specificity, auroc, threshold}`` and ``confusion_matrix`` (counts;
        rows are the truth). Balanced accuracy and macro F1 are means over the grades that occur
        in the truth. A figure that the set does not define is None.
    """
    truth = np.asarray(grades, dtype=np.int64)
    values = np.asarray(probability, dtype=np.float64)
    predicted = values.argmax(axis=1)
    matrix = confusion_matrix(truth, predicted, labels=list(GRADE_NUMBERS))
    present = np.unique(truth).tolist()
    recalls = recall_score(
        truth, predicted, labels=list(GRADE_NUMBERS), average=None, zero_division=np.nan
    )
    return {
        "n": int(truth.size),
        "accuracy": float(accuracy_score(truth, predicted)),
        "balanced_accuracy": float(np.nanmean(recalls)),
        "quadratic_weighted_kappa": quadratic_weighted_kappa(truth, predicted),
        "macro_f1": float(
            f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
        ),
        "majority_baseline_accuracy": float(np.bincount(truth).max() / truth.size),
        "ece": expected_calibration_error(truth, values),
        "recall": [_number(value) for value in recalls],
        "referable": _referable(truth, values, threshold),
        "confusion_matrix": matrix.tolist(),
    }


def _referable(
    truth: npt.NDArray[np.int64], values: npt.NDArray[np.float64], threshold: float
) -> dict[str, float | None]:
    diseased = truth >= REFERABLE_FROM
    score = referable_probability(values)
    referred = score >= threshold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        auroc = roc_auc_score(diseased, score) if 0 < diseased.sum() < truth.size else None
    return {
        "sensitivity": float(referred[diseased].mean()) if diseased.any() else None,
        "specificity": float((~referred)[~diseased].mean()) if not diseased.all() else None,
        "auroc": None if auroc is None else float(auroc),
        "threshold": threshold,
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
