"""Sentences on the metrics of runs; every claim has its number."""

import math
from collections.abc import Sequence

import numpy as np

from retina.reporting.formatting import (
    decimal,
    hundredths,
    joined,
    percent,
    points,
    signed,
    with_interval,
)
from retina.reporting.runs import FinishedRun, Study, labels
from retina.scale import LABELS

LOW_RECALL = 0.3
ONE_GRADE_SHARE = 0.9
OVERFITTING_GAP = 0.05

_KAPPA = "quadratic_weighted_kappa"


def summary(runs: Sequence[FinishedRun]) -> str:
    """Summarise in two sentences: the best kappa, and how many runs beat the baseline."""
    named = list(zip(labels(runs), runs, strict=True))
    scored = [(label, run) for label, run in named if run.value(_KAPPA) is not None]
    above = [run for run in runs if (_above_baseline(run) or 0) > 0]
    if not scored:
        first = "Quadratic weighted kappa is undefined for every run."
    else:
        label, best = max(scored, key=lambda pair: pair[1].value(_KAPPA) or 0.0)
        rank = "reaches a {} of" if len(runs) == 1 else "has the highest {}:"
        first = (
            f"{_named(label, best)} {rank.format('quadratic weighted kappa')} "
            f"{with_interval(best.metric(_KAPPA))}, with an accuracy of "
            f"{percent(best.value('accuracy'))} on its {best.pictures:,} test photographs."
        )
    baseline = _range([run.value("majority_baseline_accuracy") for run in runs])
    if len(runs) == 1:
        verdict = "above" if above else "not above"
        second = (
            f"Its accuracy is {verdict} the {baseline} of always predicting the most frequent "
            "grade."
        )
    else:
        all_of_them = len(above) == len(runs)
        count = f"{_word(len(above))} of the".capitalize() if not all_of_them else "All"
        second = (
            f"{count} {_word(len(runs))} runs {'has' if len(above) < 2 else 'have'} an accuracy "
            f"above the {baseline} of always predicting the most frequent grade."
        )
    return f"{first} {second}"


def findings(runs: Sequence[FinishedRun], study: Study) -> list[tuple[str, list[str]]]:
    """Return headings and sentences: first on the runs together, then on each of them.

    Args:
        runs: At least one run.
        study: ``comparison`` and ``leave-one-out`` compare pretrained with scratch; the others
            compare each variant with the first run of its architecture and start.
    """
    between = [*_comparable(runs), _resolution(runs)]
    compared = study in ("comparison", "leave-one-out")
    between += _pretrained_minus_scratch(runs) if compared else _variants(runs)
    heading = "Differences between the runs" if len(runs) > 1 else "Test split"
    of_each = [(label, _of_one(run)) for label, run in zip(labels(runs), runs, strict=True)]
    return [(heading, between), *of_each]


def _of_one(run: FinishedRun) -> list[str]:
    return [_baseline(run), _most_frequent_answer(run), _recalls(run), *_last_epoch(run)]


def _baseline(run: FinishedRun) -> str:
    above = _above_baseline(run)
    if above is None:
        return "Its accuracy is undefined."
    place = "exactly at" if above == 0 else f"{points(abs(above))} {_side(above)}"
    return (
        f"Accuracy {with_interval(run.metric('accuracy'), percent)} is {place} the majority "
        f"baseline of {percent(run.value('majority_baseline_accuracy'))}."
    )


def _most_frequent_answer(run: FinishedRun) -> str:
    matrix = run.confusion_matrix
    if not matrix.sum():
        return "Its test split is empty."
    answer = int(matrix.sum(axis=0).argmax())
    share = matrix[:, answer].sum() / matrix.sum()
    truth = matrix[answer].sum() / matrix.sum()
    if share >= ONE_GRADE_SHARE:
        return (
            f"It nearly always predicts {LABELS[answer]}: for {percent(share)} of the photographs; "
            f"{percent(truth)} are truly so."
        )
    return (
        f"Its most frequent prediction is {LABELS[answer]}: for {percent(share)} of the "
        f"photographs; {percent(truth)} are truly so."
    )


def _recalls(run: FinishedRun) -> str:
    recalls = [run.value(f"recall_{grade}") for grade in range(len(LABELS))]
    rows = run.confusion_matrix.sum(axis=1)
    low = [
        f"{LABELS[grade]} {hundredths(recall)} (n = {rows[grade]:,})"
        for grade, recall in enumerate(recalls)
        if recall is not None and recall < LOW_RECALL
    ]
    absent = [LABELS[grade] for grade, recall in enumerate(recalls) if recall is None]
    sentence = f"Recall is under {LOW_RECALL:.2f} for " + ", ".join(low) + "."
    if not low:
        known = [recall for recall in recalls if recall is not None]
        lowest = f": the lowest is {hundredths(min(known))}" if known else ""
        sentence = f"No grade has a recall under {LOW_RECALL:.2f}{lowest}."
    return sentence + (f" Recall is undefined for {', '.join(absent)}." if absent else "")


def _last_epoch(run: FinishedRun) -> list[str]:
    last = run.history.iloc[-1]
    training, validation = float(last["train_accuracy"]), float(last["validation_accuracy"])
    sentences = []
    if math.isfinite(training) and math.isfinite(validation):
        gap = _minus(training, validation) or 0.0
        verdict = "a sign of overfitting" if gap > OVERFITTING_GAP else "no sign of overfitting"
        if (sampling := run.training.get("sampling", "none")) != "none":
            verdict = (
                "which is no measure of overfitting, since it sampled the grades differently "
                f"(--sampling {sampling})"
            )
        sentences.append(
            f"At the last epoch, {int(last['epoch'])}, accuracy is {percent(training)} in training "
            f"and {percent(validation)} on validation: {points(abs(gap))} "
            f"{'more' if gap >= 0 else 'less'} in training, {verdict}."
        )
    if run.epochs > 1 and run.best_epoch == run.epochs:
        sentences.append(f"Validation chose the last of {run.epochs} epochs: more epochs may help.")
    return sentences


def _comparable(runs: Sequence[FinishedRun]) -> list[str]:
    parts = {(run.config.data.fingerprint, run.training.get("seed"), run.pictures) for run in runs}
    if len(parts) == 1:
        return []
    sizes = joined([f"{size:,}" for size in sorted({run.pictures for run in runs})])
    return [
        f"The runs were tested on different photographs ({sizes} of them, from different data or "
        "splits), so the differences between them say little."
    ]


def _resolution(runs: Sequence[FinishedRun]) -> str:
    """Describe the precision of accuracy, by the normal approximation of the binomial."""
    size = min(run.pictures for run in runs)
    shares = [value for run in runs if (value := run.value("accuracy")) is not None]
    if not (size and shares):
        return "The test split is too small for any conclusion."
    share = float(np.median(shares))
    error = math.sqrt(share * (1 - share) / size)
    return (
        f"With {size:,} test photographs, an accuracy near {percent(share)} is uncertain by "
        f"±{points(1.96 * error)} (95%, from their number alone)."
    )


def _pretrained_minus_scratch(runs: Sequence[FinishedRun]) -> list[str]:
    named = list(zip(labels(runs), runs, strict=True))
    return [
        _difference(label, run, other_label, other)
        for label, run in named
        for other_label, other in named
        if (run.start, other.start) == ("pretrained", "scratch")
        and (run.config.architecture, run.variant) == (other.config.architecture, other.variant)
    ]


def _variants(runs: Sequence[FinishedRun]) -> list[str]:
    first: dict[tuple[str, str], tuple[str, FinishedRun]] = {}
    sentences = []
    for label, run in zip(labels(runs), runs, strict=True):
        key = (run.config.architecture, run.start)
        if key in first:
            sentences.append(_difference(label, run, *first[key]))
        else:
            first[key] = label, run
    return sentences


def _difference(label: str, run: FinishedRun, other_label: str, other: FinishedRun) -> str:
    kappa, before = run.value(_KAPPA), other.value(_KAPPA)
    gain = _minus(kappa, before)
    accuracy_gain = _minus(run.value("accuracy"), other.value("accuracy"))
    name = _named(label, run)
    if gain is None or accuracy_gain is None:
        return f"{name} cannot be compared with {other_label}: kappa is undefined for one of them."
    return (
        f"{name} minus {_named(other_label, other)}: kappa {signed(gain)} ({decimal(kappa)} minus "
        f"{decimal(before)}), accuracy {points(accuracy_gain, signed=True)}."
    )


def _named(label: str, run: FinishedRun) -> str:
    return f"{label} ({run.not_imagenet})" if run.not_imagenet else label


def _above_baseline(run: FinishedRun) -> float | None:
    return _minus(run.value("accuracy"), run.value("majority_baseline_accuracy"))


def _minus(value: float | None, other: float | None) -> float | None:
    """Subtract two numbers rounded to three decimals, as the sentences show them."""
    if value is None or other is None:
        return None
    return round(round(value, 3) - round(other, 3), 3)


def _range(values: Sequence[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return "–"
    low, high = percent(known[0]), percent(known[-1])
    return low if low == high else f"{low} to {high}"


def _word(count: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return words[count] if count < len(words) else str(count)


def _side(difference: float) -> str:
    return "above" if difference > 0 else "below"
