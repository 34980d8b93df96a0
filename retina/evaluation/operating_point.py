"""From which probability of referable disease a photograph is referred."""

import numpy as np
import numpy.typing as npt

from retina.errors import SettingsError
from retina.scale import REFERABLE_FROM

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
    """The threshold of highest specificity among those of enough sensitivity.

    Of several with that specificity, the one of highest sensitivity. The threshold lies midway
    between two scores of the part, so that rounding on another machine moves no picture across it.

    Args:
        grades: (N,) of the validation part.
        probability: (N, 5).
        minimum_sensitivity: 0 to 1.
        weights: (N,) how much each picture counts, at least 0; all alike if None.

    Returns:
        A threshold from 0 to 1, applied as ``probability >= threshold``; 0.5 where the part holds
        only referable pictures, or none.

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
