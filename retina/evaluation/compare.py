"""Paired comparison of two models on the same photographs.

The difference of a figure has a paired bootstrap interval: both models are scored on the same
resamples of patients (Efron and Tibshirani 1993). McNemar's exact test (McNemar, Psychometrika
1947;12:153-157) asks whether the photographs that only one model gets right fall equally to both.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from retina.evaluation.calibration import Array, referable_probability
from retina.evaluation.intervals import RESAMPLES, percentile_interval, resampled_weights
from retina.evaluation.metrics import WeightedFigures
from retina.evaluation.predictions import Predictions
from retina.scale import REFERABLE_FROM

COMPARED = ("quadratic_weighted_kappa", "accuracy", "referable_auroc")


def compare_answers(
    first: Predictions,
    second: Predictions,
    thresholds: tuple[float, float],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare two models' predictions for the same photographs.

    Args:
        first: To N photographs or patients.
        second: To the same, in the same order.
        thresholds: The two models' operating points.
        resamples: How many.
        seed: Seed of the bootstrap.

    Returns:
        ``n``; ``first``, ``second`` and ``difference``, the first's less the second's, each with
        the figures of ``COMPARED`` as ``{value, low, high}``, or None where one is undefined; and
        ``mcnemar`` of the grades (``accuracy``) and of the calls at the operating points
        (``referable``), each ``{only_first_right, only_second_right, p}``. The test assumes
        independent photographs: where patients have several, compare by patient.
    """
    models = [_figures_of(first, thresholds[0]), _figures_of(second, thresholds[1])]
    own = [_compared(model, np.ones((len(first.grades), 1))) for model in models]
    drawn: list[list[Mapping[str, Array]]] = [[], []]
    for weights in resampled_weights(first.patients.tolist(), resamples, seed):
        for model, rounds in zip(models, drawn, strict=True):
            rounds.append(_compared(model, weights))
    comparison: dict[str, Any] = {"n": len(first.grades), "first": {}, "second": {}}
    comparison["difference"] = {}
    for name in COMPARED:
        one, other = (np.concatenate([each[name] for each in rounds]) for rounds in drawn)
        comparison["first"][name] = _bounded(own[0][name], one)
        comparison["second"][name] = _bounded(own[1][name], other)
        comparison["difference"][name] = _bounded(own[0][name] - own[1][name], one - other)
    comparison["mcnemar"] = {
        "accuracy": mcnemar(first.grades == first.predicted, second.grades == second.predicted),
        "referable": mcnemar(
            _called_rightly(first, thresholds[0]), _called_rightly(second, thresholds[1])
        ),
    }
    return comparison


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """McNemar's exact two-sided test.

    Args:
        first: (N,) whether the first model is right.
        second: (N,) whether the second is.

    Returns:
        ``only_first_right`` and ``only_second_right`` (counts) and ``p``, which is 1 where the
        models are right and wrong together.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    p = binomtest(only_first, discordant, 0.5).pvalue if discordant else 1.0
    return {"only_first_right": only_first, "only_second_right": only_second, "p": float(p)}


def conclusion(first: str, second: str, comparison: Mapping[str, Any], unit: str) -> str:
    """Summarise a comparison in one sentence.

    Args:
        first: Name of the first model.
        second: Name of the second.
        comparison: What ``compare_answers`` gave.
        unit: What was counted, ``photographs`` or ``patients``.
    """
    gap = comparison["difference"]["quadratic_weighted_kappa"]
    these = f"these {comparison['n']:,} {unit}"
    if gap is None:
        return (
            f"{first} and {second} cannot be compared on {these}: quadratic weighted kappa is "
            "undefined for one of them."
        )
    kappa, other = (
        comparison[place]["quadratic_weighted_kappa"]["value"] for place in ("first", "second")
    )
    verdict = f"{first} and {second} cannot be told apart on {these}"
    if gap["low"] > 0:
        verdict = f"{first} is better than {second} on {these}"
    elif gap["high"] < 0:
        verdict = f"{second} is better than {first} on {these}"
    value, low, high = (_signed(gap[name]) for name in ("value", "low", "high"))
    return (
        f"{verdict}: quadratic weighted kappa {kappa:.3f} against {other:.3f}, a difference of "
        f"{value} (95 % interval {low} to {high})."
    )


def _figures_of(answers: Predictions, threshold: float) -> WeightedFigures:
    return WeightedFigures(
        answers.grades,
        answers.predicted,
        answers.probability,
        uncalibrated=None,
        threshold=threshold,
        prevalence=0.5,
    )


def _compared(model: WeightedFigures, weights: Array) -> dict[str, Array]:
    figures = model(weights)
    whole = {name: figures[name] for name in COMPARED if name in figures}
    return {**whole, "referable_auroc": figures["referable"]["auroc"]}


def _bounded(own: Array, resampled: Array) -> Any:
    return percentile_interval(float(own[0]) if np.isfinite(own[0]) else None, resampled)


def _called_rightly(answers: Predictions, threshold: float) -> npt.NDArray[np.bool_]:
    referred = referable_probability(answers.probability) >= threshold
    return np.asarray(referred == (answers.grades >= REFERABLE_FROM))


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
