"""From logits to probabilities, in one place.

Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from retina.errors import CheckpointError

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
    """The temperature with the lowest negative log-likelihood, between 0.05 and 20.

    Args:
        logits: (N, K) of the validation part.
        grades: (N,) whole numbers below K.
        weights: (N,) how much each picture counts, at least 0; all alike if None.

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
    """Weights that let every source count alike, however many pictures it has.

    Args:
        sources: Of each picture, N of them.

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
    """Each picture's bin of confidence, and whether it was right, less how sure it was.

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
    """Each picture's Brier score: squared errors of its probabilities, summed over the grades.

    Args:
        grades: (N,).
        probability: (N, K).

    Returns:
        (N,) from 0 (sure and right) to 2 (sure and wrong); the Brier score of a set is their mean.
    """
    values = np.asarray(probability, dtype=np.float64)
    errors = (values - np.eye(values.shape[1])[np.asarray(grades)]) ** 2
    return np.asarray(errors.sum(axis=1))
