"""Sentences on an assessment, for the page and for case reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retina.assessment import Assessment
from retina.errors import CheckpointError
from retina.evaluation.intervals import Matrix, precision_of
from retina.explain.methods import GRAD_CAM
from retina.models.checkpoint_folder import read_evaluations
from retina.models.config import CheckpointConfig, StartedFrom
from retina.reporting.formatting import hundredths, interval, number, unit, with_interval
from retina.scale import GRADES, NUM_GRADES, REFERABLE_FROM, SIGHT_THREATENING_FROM

__all__ = [
    "HEATMAP",
    "INTERVALS",
    "NOT_GRADED",
    "NO_DR_NOTE",
    "NO_MATRIX",
    "PROBABILITIES",
    "QUALITY",
    "RETAKE",
    "SCALE_NONE",
    "TRUST",
    "UNGRADABLE_TWICE",
    "WARNINGS",
    "grade_of",
    "heatmap_caption",
    "network",
    "operating_point",
    "referral",
    "right_of_its_answers",
    "scale_end",
    "share",
    "share_of_row",
    "sight_threatening",
    "started_from",
    "tested_on",
    "told_elsewhere",
]

DRAWN = "drawn"
"""The data set of drawn photographs, which says nothing about patients."""

MANY = 100
"""Fewest photographs of another data set whose metrics are mentioned."""

QUALITY = {
    "good": "The photograph is good enough to be graded.",
    "usable": "The photograph can be graded, but could be better.",
    "reject": "The photograph is too poor to be graded.",
}
HEATMAP = "Where the model looked"
SCALE_NONE = "no evidence"
TRUST = "How far to trust this result"
INTERVALS = "In brackets: 95\N{NO-BREAK SPACE}% intervals."
PROBABILITIES = "Calibrated probabilities"
NO_MATRIX = "This model has not been evaluated on a test split, so it has no confusion matrix."
NOT_GRADED = "Not graded"
RETAKE = "This photograph cannot be graded as it is. Please take it again:"
UNGRADABLE_TWICE = (
    "Ungradable twice means refer: an eye that cannot be photographed well needs an examination."
)
NO_DR_NOTE = (
    "“No DR” means only that the model found no sign of diabetic retinopathy in this photograph."
)
WARNINGS = "Please note"
_GRAD_CAM_CAPTION = (
    "The stronger the colour, the more this area contributed to the grade; the scale is the same "
    "for every photograph that this model grades. It does not mark lesions."
)
_RELATIVE_CAPTION = (
    "By {method}, from the grad-cam library: the colours are scaled to the maximum of this "
    "photograph, so even a map without evidence has strong colours. It does not mark lesions."
)


def share(probability: float) -> str:
    """Format a probability as a whole percentage, but never as 0 or 100 %."""
    if probability < 0.005:
        return "<1\N{NO-BREAK SPACE}%"
    if probability >= 0.995:
        return ">99\N{NO-BREAK SPACE}%"
    return f"{100 * probability:.0f}\N{NO-BREAK SPACE}%"


def share_of_row(value: float) -> str:
    """Format a share as a whole percentage; 0 or 100 % only if it is exact."""
    return f"{100 * value:.0f}\N{NO-BREAK SPACE}%" if value in (0, 1) else share(value)


def grade_of(number: int) -> str:
    """Return the definition of a grade."""
    meaning = GRADES[number].meaning
    return (
        f"Grade {number} on a scale of 0 to {NUM_GRADES - 1}: {meaning[0].lower()}{meaning[1:]} "
        "The model grades the photograph as a whole and does not detect individual lesions."
    )


def referral(assessment: Assessment, threshold: float) -> tuple[str, str]:
    """Return the verdict on referral, in a few words, and its reason, in a sentence."""
    probability = assessment.referable_probability or 0.0
    told = [share(probability), share(threshold)]
    if told[0] == told[1]:
        told = [f"{100 * value:.2f}\N{NO-BREAK SPACE}%" for value in (probability, threshold)]
    numbers = (
        f"the probability of grade {REFERABLE_FROM} or above is {told[0]}, "
        f"and this model refers from {told[1]}."
    )
    by_grade = (assessment.grade or 0) >= REFERABLE_FROM
    if by_grade == bool(assessment.referable):
        reason = numbers[0].upper() + numbers[1:]
    elif assessment.referable:
        reason = f"Although {assessment.label} is the likeliest grade, {numbers}"
    else:
        reason = f"Although {assessment.label} alone would mean referral, {numbers}"
    return ("Refer" if assessment.referable else "Below the referral threshold"), reason


def operating_point(referable: Mapping[str, Any]) -> str:
    """Describe the referral threshold on the test split, from ``metrics.json``."""
    return f"At this threshold, on its test photographs: {_sensitivity(referable)}."


def elsewhere(name: str, metrics: Mapping[str, Any]) -> str:
    """Describe a model on another data set, from ``evaluations/NAME.json``."""
    kappa = with_interval(metrics.get("quadratic_weighted_kappa"), hundredths, "unknown")
    return (
        f"Elsewhere, on {metrics['n']:,} {unit(metrics)} of {name}: "
        f"{_sensitivity(metrics['referable'])}, quadratic weighted kappa {kappa}."
    )


def told_elsewhere(folder: Path) -> list[str]:
    """Describe a checkpoint on other data sets of ``MANY`` photographs or more.

    Nothing is returned if its ``evaluations`` cannot be read.
    """
    try:
        evaluations = read_evaluations(folder)
    except CheckpointError:
        return []
    return [
        elsewhere(name, metrics)
        for name, metrics in evaluations.items()
        if name != DRAWN and metrics["n"] >= MANY and "referable" in metrics
    ]


def right_of_its_answers(matrix: Matrix, grade: int) -> str:
    """Describe how often a predicted grade was right in the test, with Wilson's 95 % interval."""
    label = GRADES[grade].label
    right = precision_of(matrix, grade)
    if right is None:
        return (
            f"In its test this model never predicted {label}, so it is unknown how often that is "
            "right."
        )
    if right.count == 1:
        return (
            f"In its test this model predicted {label} only once, "
            f"{'correctly' if right.hits else 'wrongly'}."
        )
    sentence = (
        f"Of the {right.count:,} test photographs that this model called {label}, "
        f"{_with_interval(vars(right))} were {label}"
    )
    missed = sum(row[grade] for row in matrix[REFERABLE_FROM:])
    if grade >= REFERABLE_FROM or not missed:
        return f"{sentence}."
    worse = GRADES[REFERABLE_FROM].label
    return f"{sentence}; {missed:,} {'was' if missed == 1 else 'were'} {worse} or worse."


def tested_on(metrics: Mapping[str, Any], config: CheckpointConfig) -> str:
    """Describe the test photographs, and explain the brackets."""
    shared = config.data.shared_patients
    known = (
        f", {share_of_row(shared)} of a patient whose other photographs it was trained on"
        if shared
        else " that it had not seen"
    )
    return (
        f"It was tested on {metrics['n']:,} photographs of {config.data.name}{known}; results for "
        f"other people and cameras may be worse. {INTERVALS}"
    )


def sight_threatening(probability: float) -> str:
    """Return the probability of sight-threatening disease, in a sentence."""
    return (
        f"The probability of grade {SIGHT_THREATENING_FROM} or above, which threatens sight, "
        f"is {share(probability)}."
    )


def heatmap_caption(method: str) -> str:
    """Explain the colours of a heatmap."""
    if method == GRAD_CAM:
        return _GRAD_CAM_CAPTION
    return _RELATIVE_CAPTION.format(method=method)


def scale_end(method: str) -> str:
    """Return the label of the upper end of the colour bar."""
    if method == GRAD_CAM:
        return "strongest 1\N{NO-BREAK SPACE}% on validation"
    return "this photograph’s maximum"


def started_from(weights: StartedFrom) -> str:
    """Describe the initial weights of a model."""
    if weights.kind == "random":
        return "Trained from scratch, from random weights."
    if weights.kind == "imagenet":
        return "Trained from ImageNet weights."
    if weights.kind == "imagenet-compressed":
        return "Trained from ImageNet weights that were compressed, then rebuilt."
    return f"Did not start from ImageNet weights, but from {weights.source.rstrip('.')}."


def network(config: CheckpointConfig) -> str:
    """Describe the network of a model and its input size."""
    size = config.preprocessing.size
    return f"{config.architecture} at {size} × {size} pixels."


def _sensitivity(referable: Mapping[str, Any]) -> str:
    sensitivity, specificity = (
        _with_interval(referable[name]) for name in ("sensitivity", "specificity")
    )
    return f"sensitivity {sensitivity}, specificity {specificity}"


def _with_interval(figure: Any) -> str:
    value, ends = number(figure), interval(figure)
    within = f" ({100 * ends[0]:.0f}–{100 * ends[1]:.0f})" if ends else ""
    return ("unknown" if value is None else share_of_row(value)) + within
