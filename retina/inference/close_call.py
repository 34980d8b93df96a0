"""Two grades that are almost equally likely."""

from collections.abc import Sequence

from retina.scale import LABELS

CLOSE = 0.10
"""How near two grades are to each other, or an answer to the referral threshold, to be unsure."""


def close_call(probabilities: Sequence[float]) -> str:
    """The sentence that a reader should know, or empty where one grade is clearly likelier.

    Args:
        probabilities: Of the five grades.
    """
    first, second = sorted(range(len(LABELS)), key=lambda grade: -probabilities[grade])[:2]
    if probabilities[first] - probabilities[second] >= CLOSE:
        return ""
    return f"{LABELS[first]} and {LABELS[second]} are almost equally likely."
