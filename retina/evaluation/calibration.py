"""Calibration of probabilities, and the choice of an operating point.

Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from retina.errors import CheckpointError, SettingsError
from retina.scale import REFERABLE_FROM

Array = npt.NDArray[np.float64]


def probabilities(logits: npt.ArrayLike, temperature: float = 1.0) -> Array:
    """Softmax of logits divided by the temperature.

    Args:
        logits: (N, K), any real numbers.
        temperature: Above 0; above 1 makes the answers less sure.

    Returns:
        (N, K) float64, each row adding up to 1.

    Raises:
        CheckpointError: a logit is NaN or infinite, which would read as some grade or other.
    """
    values = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(values).all():
        raise CheckpointError(
            "the model's answer is not a number, so its weights are of no use: choose another model"
        )
    return np.asarray(softmax(values / temperature, axis=-1))


def fit_temperature(
    logits: npt.ArrayLike, grades: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:
    """Find the temperature of lowest negative log-likelihood, between 0.05 and 20.

    Args:
        logits: (N, K) of the validation split.
        grades: (N,) whole numbers below K.
        weights: (N,) how much each photograph counts, at least 0; all alike if None.

    Returns:
        1.0 where there is nothing to fit on.
    """
    values = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(grades, dtype=np.int64)
    counts = None if weights is None else np.asarray(weights, dtype=np.float64)
    if truth.size == 0:
        return 1.0

    from scipy.optimize import minimize_scalar  # slow to import, and grading does without

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(values / np.exp(log_temperature), axis=1)
        return float(-np.average(scaled[np.arange(truth.size), truth], weights=counts))

    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(best.x))


def source_weights(sources: Sequence[str]) -> Array | None:
    """Compute weights by which every source counts equally.

    Args:
        sources: Of each photograph, N of them.

    Returns:
        (N,) weights that add up to N; None where there is one source.
    """
    if len(set(sources)) < 2:
        return None
    _, place, counts = np.unique(np.asarray(sources), return_inverse=True, return_counts=True)
    return np.asarray(len(sources) / (len(counts) * counts[place]), dtype=np.float64)


def confidence_bins(
    grades: npt.ArrayLike,
    probability: npt.ArrayLike,
    bins: int = 15,
    predicted: npt.ArrayLike | None = None,
) -> tuple[npt.NDArray[np.int64], Array]:
    """Compute each photograph's confidence bin, and its correctness minus its confidence.

    The expected calibration error (Guo et al. 2017) is the sum over the bins of the absolute sum of
    their gaps, divided by N.

    Args:
        grades: (N,).
        probability: (N, K).
        bins: How many equal bins from 0 to 1; each holds its upper end.
        predicted: (N,) the grades answered, whose probability is the confidence; by default those
            of the highest probability.

    Returns:
        (N,) bins from 0, and (N,) gaps from -1 to 1.
    """
    values = np.asarray(probability, dtype=np.float64)
    answers = values.argmax(axis=1) if predicted is None else np.asarray(predicted)
    confidence = values[np.arange(len(values)), answers]
    right = answers == np.asarray(grades)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return place, right - confidence


def squared_errors(grades: npt.ArrayLike, probability: npt.ArrayLike) -> Array:
    """Compute each photograph's Brier score: squared errors summed over the grades.

    Args:
        grades: (N,).
        probability: (N, K).

    Returns:
        (N,) from 0 (sure and right) to 2 (sure and wrong); the Brier score of a set is their mean.
    """
    values = np.asarray(probability, dtype=np.float64)
    errors = (values - np.eye(values.shape[1])[np.asarray(grades)]) ** 2
    return np.asarray(errors.sum(axis=1))


MINIMUM_SENSITIVITY = 0.90


def referable_probability(probability: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(..., 5) probabilities of the grades to (...) probabilities of grade 2 or above."""
    values: npt.NDArray[np.float64] = np.asarray(probability, dtype=np.float64)
    return np.asarray(values[..., REFERABLE_FROM:].sum(axis=-1))


def rule(minimum_sensitivity: float = MINIMUM_SENSITIVITY) -> str:
    """How ``choose_threshold`` chooses, in the words that a checkpoint keeps."""
    return f"highest specificity at a sensitivity of at least {100 * minimum_sensitivity:g}%"


def choose_threshold(
    grades: npt.ArrayLike,
    probability: npt.ArrayLike,
    minimum_sensitivity: float = MINIMUM_SENSITIVITY,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Choose the threshold of highest specificity among those of sufficient sensitivity.

    Of several with that specificity, the one of highest sensitivity. The threshold lies midway
    between two scores, so that rounding on another machine moves no photograph across it.

    Args:
        grades: (N,) of the validation split.
        probability: (N, 5).
        minimum_sensitivity: 0 to 1.
        weights: (N,) how much each photograph counts, at least 0; all alike if None.

    Returns:
        A threshold from 0 to 1, applied as ``probability >= threshold``; 0.5 where the part holds
        only referable photographs, or none.

    Raises:
        SettingsError: the sensitivity is no share.
    """
    if not 0 <= minimum_sensitivity <= 1:
        raise SettingsError(
            f"a sensitivity of {minimum_sensitivity} cannot be: give a share between 0 and 1"
        )
    referable = np.asarray(grades) >= REFERABLE_FROM
    if referable.all() or not referable.any():
        return 0.5
    from sklearn.metrics import roc_curve  # slow to import, and grading does without

    false_positive, sensitivity, thresholds = roc_curve(
        referable,
        referable_probability(probability),
        sample_weight=weights,
        drop_intermediate=False,
    )
    enough = np.flatnonzero(sensitivity >= minimum_sensitivity)
    best = np.flatnonzero(false_positive == false_positive[enough].min())[-1]
    lower = thresholds[best + 1] if best + 1 < len(thresholds) else 0.0
    return float((min(thresholds[best], 1.0) + lower) / 2)
