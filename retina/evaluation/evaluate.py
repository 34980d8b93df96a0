"""Evaluation of a checkpoint on a set of photographs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from retina import distributed
from retina.assessment import Verdict
from retina.datasets.cache import PreparedCache, gate_verdict
from retina.datasets.dataset import RetinopathyDataset
from retina.datasets.parallel import Unreadable, map_pictures
from retina.errors import DataError
from retina.evaluation.held_out import overlap
from retina.evaluation.intervals import add_intervals, percentile_interval, resampled_weights
from retina.evaluation.metrics import compute_metrics
from retina.evaluation.predict import AUGMENTED_VIEWS, WithTestTimeAugmentation, predict_logits
from retina.evaluation.predictions import Predictions, predictions_table, source_names
from retina.images.prepare import Preprocessing
from retina.models.checkpoint import Checkpoint
from retina.models.engines import Engine, network_for_grading

HEADLINE = ("n", "accuracy", "balanced_accuracy", "quadratic_weighted_kappa")
REFERABLE_HEADLINE = ("sensitivity", "specificity", "auroc")


@dataclass(frozen=True)
class Evaluation:
    """Figures, and the predictions that they were computed from.

    Attributes:
        metrics: In the form of ``retina evaluate --json``.
        predictions: ``image_id, grade, predicted, p0 ... p4``, a row a photograph.
        answers: The same, or a row a patient where the eyes were combined.
        unreadable: Photographs that were left out, each with its reason.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame
    answers: Predictions
    unreadable: tuple[Unreadable, ...]


def evaluate(
    checkpoint: Checkpoint,
    rows: pd.DataFrame,
    cache: PreparedCache,
    device: torch.device,
    batch_size: int = 32,
    *,
    prevalence: float | None = None,
    tta: bool = False,
    by_patient: bool = False,
    engine: Engine = "torch",
) -> Evaluation:
    """Grade every row whose photograph can be read, and compute figures.

    Args:
        checkpoint: The network, with its temperature and operating point.
        rows: ``image_id, path, grade, patient`` and, of several sources, ``source``; at least one.
        cache: Where prepared squares are kept.
        device: The device to compute on.
        batch_size: Photographs a forward pass.
        prevalence: Of referable disease, for the predictive values; the set's own by default.
        tta: Average the logits over flips and quarter turns.
        by_patient: Combine the photographs of a patient, as ``Answers.by_patient`` says.
        engine: What computes; see ``network_for_grading``.

    Returns:
        Beside the fields of ``compute_metrics``, with intervals, its ``metrics`` say how they came
        about (``photographs, by_patient, tta, temperature``), what the checkpoint has seen of the
        rows (``overlap``), the main figures of each source where there are several (``sources``)
        and what the quality gate makes of them: ``quality_gate{refused, refused_share,
        without_refused}``. The gate keeps nothing out of the other figures.

    Raises:
        DataError: no photograph can be read.
        SettingsError: the prevalence cannot be, or the engine is not installed.
    """
    found = verdicts(rows["path"].tolist(), checkpoint.config.preprocessing, cache)
    rows, unreadable = _readable(rows, [each for each in found if isinstance(each, Unreadable)])
    rejected = np.array([each == "reject" for each in found if not isinstance(each, Unreadable)])
    answers = grade_rows(checkpoint, rows, cache, device, batch_size, tta=tta, engine=engine)
    unit = answers.by_patient() if by_patient else answers
    threshold = checkpoint.config.referable.threshold
    metrics = {
        "n": len(unit.grades),
        "photographs": len(rows),
        "by_patient": by_patient,
        "tta": tta and {"views": AUGMENTED_VIEWS, "averaged": "logits"},
        **measure(unit, threshold, prevalence),
        "temperature": checkpoint.config.temperature,
        "overlap": asdict(overlap(checkpoint, rows)),
    }
    if sources := _by_source(rows, answers, by_patient, threshold, prevalence):
        metrics["sources"] = sources
    without = None
    if not rejected.any():
        without = metrics
    elif not rejected.all():
        left = answers.where(~rejected)
        without = measure(left.by_patient() if by_patient else left, threshold, prevalence)
    metrics["quality_gate"] = {
        "refused": int(rejected.sum()),
        "refused_share": _share(rejected, answers.patients),
        "without_refused": without and _headline(without),
    }
    metrics["confusion_matrix"] = metrics.pop("confusion_matrix")  # the largest comes last
    predictions = predictions_table(
        rows["image_id"], answers, rows["source"] if source_names(rows) else None
    )
    return Evaluation(metrics, predictions, unit, unreadable)


def _by_source(
    rows: pd.DataFrame,
    answers: Predictions,
    by_patient: bool,
    threshold: float,
    prevalence: float | None,
) -> dict[str, Any]:
    """The main figures of each of several sources; empty where there is one."""
    sources = source_names(rows)
    figures = {}
    for source in sources:
        own = answers.where((rows["source"] == source).to_numpy())
        measured = measure(own.by_patient() if by_patient else own, threshold, prevalence)
        figures[source] = _headline({"n": len(own.grades), **measured}) | {"ece": measured["ece"]}
    return figures


def readable_rows(
    checkpoint: Checkpoint, rows: pd.DataFrame, cache: PreparedCache
) -> tuple[pd.DataFrame, tuple[Unreadable, ...]]:
    """The rows whose photographs can be prepared for a checkpoint, and why others cannot.

    Raises:
        DataError: none can.
    """
    return _readable(rows, cache.fill(rows["path"].tolist(), checkpoint.config.preprocessing))


def _readable(
    rows: pd.DataFrame, unreadable: Sequence[Unreadable]
) -> tuple[pd.DataFrame, tuple[Unreadable, ...]]:
    left = rows[~rows["path"].isin([picture.path for picture in unreadable])]
    if left.empty:
        raise DataError(f"none of the photographs can be read: {unreadable[0].reason}")
    return left, tuple(unreadable)


def grade_rows(
    checkpoint: Checkpoint,
    rows: pd.DataFrame,
    cache: PreparedCache,
    device: torch.device,
    batch_size: int = 32,
    *,
    tta: bool = False,
    engine: Engine = "torch",
) -> Predictions:
    """Predict photographs that can be read, in their order.

    It is asked through ``network_for_grading``, as a ``Grader`` asks it.
    """
    config = checkpoint.config
    pictures = RetinopathyDataset(
        rows["path"].tolist(), rows["grade"].tolist(), config.preprocessing, cache=cache
    )
    model = network_for_grading(checkpoint, engine).to(device)
    logits = predict_logits(
        WithTestTimeAugmentation(model) if tta else model,
        pictures,
        device,
        batch_size,
        f"{checkpoint.name}: grading",
    )
    return Predictions.from_logits(
        logits, config.temperature, rows["grade"], rows["patient"].tolist()
    )


def measure(
    answers: Predictions, threshold: float, prevalence: float | None = None
) -> dict[str, Any]:
    """Compute the figures of predictions, with intervals from a bootstrap over patients."""
    metrics = compute_metrics(
        answers.grades,
        answers.probability,
        threshold,
        predicted=answers.predicted,
        uncalibrated=answers.uncalibrated,
        prevalence=prevalence,
    )
    return add_intervals(
        metrics,
        answers.grades,
        answers.probability,
        answers.patients.tolist(),
        predicted=answers.predicted,
        uncalibrated=answers.uncalibrated,
    )


def _headline(metrics: dict[str, Any]) -> dict[str, Any]:
    referable = {name: metrics["referable"][name] for name in REFERABLE_HEADLINE}
    return {**{name: metrics[name] for name in HEADLINE}, "referable": referable}


def _share(marked: npt.NDArray[np.bool_], patients: npt.NDArray[np.str_]) -> Any:
    resampled = [
        marked @ weights / weights.sum(axis=0) for weights in resampled_weights(patients.tolist())
    ]
    return percentile_interval(float(marked.mean()), np.concatenate(resampled))


def verdicts(
    paths: Sequence[str], settings: Preprocessing, cache: PreparedCache
) -> list[Verdict | Unreadable]:
    """Compute the gate's verdicts as the grader does, decoding each photograph once.

    Args:
        paths: Of N photographs, which several processes share.
        settings: Preprocessing of the squares that are cached on the way.
        cache: Gets the squares that it does not hold yet.

    Returns:
        N, in order; for a photograph that cannot be read, why.

    Raises:
        OSError: The cache folder cannot be written to.
    """
    own = list(paths[distributed.rank() :: distributed.processes()])
    found = map_pictures(partial(gate_verdict, cache, settings), own, "Looking at pictures")
    every: list[Verdict | Unreadable] = ["reject"] * len(paths)
    for rank, part in enumerate(distributed.gather(list(found))):
        every[rank :: distributed.processes()] = part
    return every
