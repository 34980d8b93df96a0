"""Where a model fails, in sentences that follow from its figures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from retina.evaluation.intervals import POOR_RECALL
from retina.reporting.formatting import number, with_interval
from retina.scale import LABELS, NUM_GRADES, REFERABLE_FROM

MISSED = 0.1
FEWEST = 5
"""Of fewer photographs no share is told: chance alone could make it anything."""


def shortcomings(metrics: Mapping[str, Any]) -> list[str]:
    """What the figures of one set say against a model.

    Args:
        metrics: As ``evaluate`` gives them.

    Returns:
        Sentences; each holds its numbers. Empty where nothing stands out.
    """
    unit = "patients" if metrics["by_patient"] else "photographs"
    matrix = np.asarray(metrics["confusion_matrix"])
    found = [
        *_overlap(metrics),
        *_no_better_than_the_baseline(metrics),
        *(_rarely_found(matrix, grade, unit) for grade in range(NUM_GRADES)),
        _never_answered(matrix),
        _too_few(matrix, unit),
        *_not_referred(metrics, matrix, unit),
    ]
    return [sentence for sentence in found if sentence]


def elsewhere(own: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """How much lower the kappa is on another set.

    Args:
        own: Figures on the test part.
        other: Figures on the other set.

    Returns:
        A sentence, or none where the intervals touch, or one is undefined.
    """
    home, away = (each["quadratic_weighted_kappa"] for each in (own, other))
    if number(home) is None or number(away) is None or _low(home) <= _high(away):
        return []
    return [
        f"Its quadratic weighted kappa is {with_interval(away)}; on its own test part it is "
        f"{with_interval(home)}."
    ]


def _low(figure: Any) -> float:
    return float(figure["low"] if isinstance(figure, Mapping) else figure)


def _high(figure: Any) -> float:
    return float(figure["high"] if isinstance(figure, Mapping) else figure)


def _overlap(metrics: Mapping[str, Any]) -> list[str]:
    overlap, pictures = metrics["overlap"], metrics["photographs"]
    sentences = []
    if overlap["trained_on"] or overlap["chosen_on"]:
        sentences.append(
            f"It was trained on {overlap['trained_on']:,} of these {pictures:,} photographs and "
            f"chosen on {overlap['chosen_on']:,}: its figures are too good."
        )
    if overlap["familiar_patients"]:
        sentences.append(
            f"{overlap['familiar_patients'] / pictures:.0%} of these photographs belong to a "
            "patient of whom it saw another one in training or validation: its figures are too "
            "good."
        )
    return sentences


def _no_better_than_the_baseline(metrics: Mapping[str, Any]) -> list[str]:
    accuracy, baseline = number(metrics["accuracy"]), metrics["majority_baseline_accuracy"]
    if accuracy is None or accuracy > baseline:
        return []
    return [
        f"Its accuracy, {accuracy:.3f}, is not above the {baseline:.3f} of always answering the "
        "commonest grade."
    ]


def _rarely_found(matrix: Any, grade: int, unit: str) -> str:
    total, right = int(matrix[grade].sum()), int(matrix[grade, grade])
    if total < FEWEST or right / total >= POOR_RECALL:
        return ""
    wrong = matrix[grade].copy()
    wrong[grade] = 0
    answer = int(wrong.argmax())
    count = f"{right:,}" if right else "none"
    return (
        f"Of {total:,} {unit} of grade {LABELS[grade]} it recognises {count}; "
        f"{wrong[answer] / total:.0%} are called {LABELS[answer]}."
    )


def _never_answered(matrix: Any) -> str:
    never = [label for label, count in zip(LABELS, matrix.sum(axis=0), strict=True) if not count]
    return f"It never answers {_either(never)} here." if never else ""


def _too_few(matrix: Any, unit: str) -> str:
    missing = [label for label, count in zip(LABELS, matrix.sum(axis=1), strict=True) if not count]
    return f"There are no {unit} of grade {_either(missing)} here to test it on." if missing else ""


def _not_referred(metrics: Mapping[str, Any], matrix: Any, unit: str) -> list[str]:
    sentences = []
    for grade in range(REFERABLE_FROM, NUM_GRADES):
        referred = number(metrics["referable"]["referred"][grade])
        total = int(matrix[grade].sum())
        if total >= FEWEST and referred is not None and 1 - referred > MISSED:
            sentences.append(
                f"At its operating point it does not refer {1 - referred:.0%} of the "
                f"{total:,} {unit} of grade {LABELS[grade]}."
            )
    return sentences


def _either(labels: list[str]) -> str:
    return " or ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)
