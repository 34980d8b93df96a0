"""The model card of a checkpoint: its ``README.md``, in the format of Hugging Face."""

from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import UndefinedError

from retina.datasets.splits import PARTS, read_split
from retina.errors import CheckpointError
from retina.evaluation.intervals import POOR_RECALL
from retina.files import write_text
from retina.models.checkpoint_folder import (
    EVALUATIONS,
    METRICS_FILE,
    read_config,
    read_evaluations,
    read_metrics,
)
from retina.models.config import SPLIT_FILE, CheckpointConfig
from retina.reporting.formatting import (
    bounds,
    decimal,
    joined,
    number,
    template,
    unit,
    with_interval,
    words,
)
from retina.scale import LABELS, NOT_ASSESSED, NUM_GRADES, REFERABLE_FROM, RESEARCH_ONLY

CARD_FILE = "README.md"

# Values of `training` that the card shows elsewhere.
_SAID = {"architecture", "start", "variant", "best_epoch", "best_validation_kappa", "image_size"}


def write_model_card(folder: Path, metrics: Mapping[str, Any] | None = None) -> None:
    """Write the card of a checkpoint.

    Args:
        folder: The folder of the checkpoint: ``config.json``, optionally ``split.csv`` and, for
            another data set NAME, ``evaluations/NAME.json`` (``retina evaluate --json``).
        metrics: The metrics on the test split; by default ``metrics.json`` of the folder.

    Raises:
        CheckpointError: A file is missing or malformed.
        DataError: ``split.csv`` is malformed.
    """
    if metrics is None:
        metrics = read_metrics(folder)
    if metrics is None:
        raise CheckpointError(
            f"{folder} has no {METRICS_FILE}: write it with `retina evaluate --json` first"
        )
    split = folder / SPLIT_FILE
    counts = read_split(split)["part"].value_counts().to_dict() if split.exists() else {}
    sizes = {part: int(counts.get(part, 0)) for part in PARTS} if counts else {}
    try:
        card = model_card(read_config(folder), metrics, read_evaluations(folder), sizes)
    except (KeyError, TypeError, UndefinedError) as error:
        raise CheckpointError(
            f"{METRICS_FILE} or {EVALUATIONS} of {folder} lacks a metric of the card ({error}): "
            "write it again with `retina evaluate --json`"
        ) from None
    write_text(folder / CARD_FILE, card)


def model_card(
    config: CheckpointConfig,
    metrics: Mapping[str, Any],
    evaluations: Mapping[str, Mapping[str, Any]] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> str:
    """Return the card as Markdown, headed by the metadata for a model hub.

    Args:
        config: The configuration of the checkpoint.
        metrics: The metrics on the test split, as ``evaluate`` returns them.
        evaluations: The metrics on other data sets, by name.
        sizes: Number of photographs in each split.
    """
    card = template(
        "retina.reporting",
        "model_card.md",
        {"cell": _cell, "figure": partial(with_interval, undefined="undefined"), "number": number},
    )
    others = evaluations or {}
    training = dict(config.training or {})
    return card.render(
        config=config,
        training=training,
        settings={
            name.replace("_", " "): words(value)
            for name, value in training.items()
            if name not in _SAID and value not in (None, "")
        },
        is_foreign=training.get("start") == "pretrained" and config.initial_weights.kind == "file",
        metrics=metrics,
        sources=dict(metrics.get("sources") or {}),
        others=others,
        consequences={name: consequence(each) for name, each in others.items()},
        sizes=sizes or {},
        shortcomings=shortcomings(metrics),
        poor_elsewhere={
            name: [*drop_elsewhere(metrics, each), *shortcomings(each)]
            for name, each in others.items()
        },
        labels=LABELS,
        research_only=RESEARCH_ONLY,
        not_assessed=NOT_ASSESSED,
    )


def consequence(metrics: Mapping[str, Any]) -> str | None:
    """Describe the operating point on a data set; None if its metrics are undefined."""
    sensitivity = number(metrics["referable"]["sensitivity"])
    specificity = number(metrics["referable"]["specificity"])
    if sensitivity is None or specificity is None:
        return None
    return (
        f"of 100 who need referral it refers {100 * sensitivity:.0f}, and of 100 who do not, "
        f"{100 * (1 - specificity):.0f}"
    )


def _cell(value: object) -> str:
    """Escape a text for a table cell."""
    return escape(" ".join(str(value).split()), quote=False).replace("|", "\\|")


MISSED = 0.1
FEWEST = 5
"""Fewest photographs of which a share is given."""


def shortcomings(metrics: Mapping[str, Any]) -> list[str]:
    """Return sentences on the weaknesses of a model on one data set, if any stand out.

    Args:
        metrics: The metrics, as ``evaluate`` returns them.
    """
    counted = unit(metrics)
    matrix = np.asarray(metrics["confusion_matrix"])
    found = [
        *_overlap(metrics),
        *_no_better_than_the_baseline(metrics),
        *(_rarely_found(matrix, grade, counted) for grade in range(NUM_GRADES)),
        _never_answered(matrix),
        _too_few(matrix, counted),
        *_not_referred(metrics, matrix, counted),
    ]
    return [sentence for sentence in found if sentence]


def drop_elsewhere(own: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return a sentence if kappa is lower on another data set than on the test split.

    Args:
        own: The metrics on the test split.
        other: The metrics on the other data set.

    Returns:
        A sentence, or nothing if the intervals overlap or one is undefined.
    """
    home, away = (each["quadratic_weighted_kappa"] for each in (own, other))
    if number(home) is None or number(away) is None or bounds(home)[0] <= bounds(away)[1]:
        return []
    return [
        f"Its quadratic weighted kappa is {with_interval(away)}; on its own test split it is "
        f"{with_interval(home)}."
    ]


def _overlap(metrics: Mapping[str, Any]) -> list[str]:
    overlap, pictures = metrics["overlap"], metrics["photographs"]
    sentences = []
    if overlap["trained_on"] or overlap["chosen_on"]:
        sentences.append(
            f"It was trained on {overlap['trained_on']:,} of these {pictures:,} photographs and "
            f"validated on {overlap['chosen_on']:,}: its metrics are too optimistic."
        )
    if overlap["familiar_patients"]:
        sentences.append(
            f"{overlap['familiar_patients'] / pictures:.0%} of these photographs belong to a "
            "patient of whom it saw another photograph in training or validation: its metrics are "
            "too optimistic."
        )
    return sentences


def _no_better_than_the_baseline(metrics: Mapping[str, Any]) -> list[str]:
    accuracy, baseline = number(metrics["accuracy"]), metrics["majority_baseline_accuracy"]
    if accuracy is None or accuracy > baseline:
        return []
    return [
        f"Its accuracy, {decimal(accuracy)}, is not above the {decimal(baseline)} of always "
        "predicting the most frequent grade."
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
        f"it calls {wrong[answer] / total:.0%} of them {LABELS[answer]}."
    )


def _never_answered(matrix: Any) -> str:
    never = [label for label, count in zip(LABELS, matrix.sum(axis=0), strict=True) if not count]
    return f"It never predicts {joined(never, 'or')} here." if never else ""


def _too_few(matrix: Any, unit: str) -> str:
    missing = [label for label, count in zip(LABELS, matrix.sum(axis=1), strict=True) if not count]
    grades = joined(missing, "or")
    return f"There are no {unit} of grade {grades} here to test it on." if missing else ""


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
