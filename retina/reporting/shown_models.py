"""Checkpoints as the page shows them: from their files alone, no network is loaded."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from retina.errors import CheckpointError
from retina.evaluation.predictions import Answers, read_predictions
from retina.models.checkpoint_folder import (
    METRICS_FILE,
    read_config,
    read_evaluations,
    read_metrics,
)
from retina.models.config import HISTORY_FILE, PREDICTIONS_FILE, WEIGHTS_FILE
from retina.reporting.finished_runs import (
    ACCURACY_COLUMNS,
    FinishedRun,
    order,
    read_history,
)
from retina.scale import NUM_GRADES

T = TypeVar("T")


@dataclass(frozen=True)
class ShownModel:
    """All that a checkpoint's folder tells about it.

    Attributes:
        run: Its ``metrics`` are empty where it has not been evaluated, and its ``history`` where
            that was not kept.
        answers: To its test part; None where they were not kept.
        evaluations: Figures on other sets, by name.
        megabytes: Size of its weights' file; None where there is none.
        gaps: A sentence for each thing that is missing or cannot be used.
    """

    run: FinishedRun
    answers: Answers | None
    evaluations: dict[str, dict[str, Any]]
    megabytes: float | None
    gaps: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folder's name, by which shell, page and API know it."""
        return self.run.folder.name


def shown_models(folders: Sequence[Path]) -> list[ShownModel]:
    """Read checkpoints, in the order of ``finished_runs``; what cannot be used is passed over."""
    models = []
    for folder in folders:
        try:
            models.append(read_shown_model(folder))
        except CheckpointError:
            continue
    return sorted(models, key=lambda model: order(model.run))


def read_shown_model(folder: Path) -> ShownModel:
    """Read all of a checkpoint's folder but its weights; one broken file hides no other.

    Raises:
        CheckpointError: ``config.json`` is missing or cannot be used.
    """
    config = read_config(folder)
    gaps: list[str] = []

    def unless_broken(read: Callable[[], T], instead: T) -> T:
        try:
            return read()
        except CheckpointError as error:
            without_path = str(error).replace(f"{folder.parent}{os.sep}", "")
            gaps.append(f"{without_path}.")
            return instead

    no_metrics: dict[str, Any] = {}
    metrics = unless_broken(lambda: _metrics(folder), no_metrics)
    history = pd.DataFrame(columns=ACCURACY_COLUMNS, dtype="float64")
    if (folder / HISTORY_FILE).exists():
        history = unless_broken(lambda: read_history(folder / HISTORY_FILE), history)
    else:
        gaps.append(f"There is no {HISTORY_FILE}, so how training went cannot be shown.")
    answers = None
    if metrics and not (folder / PREDICTIONS_FILE).exists():
        gaps.append(
            f"There is no {PREDICTIONS_FILE}, so reliability and ROC cannot be drawn: write it "
            "with `retina evaluate --predictions`."
        )
    elif metrics:
        answers = unless_broken(lambda: _answers(folder, config.temperature, metrics), None)
    no_evaluations: dict[str, dict[str, Any]] = {}
    evaluations = unless_broken(lambda: read_evaluations(folder), no_evaluations)
    weights = folder / WEIGHTS_FILE
    return ShownModel(
        FinishedRun(folder, config, metrics, history),
        answers,
        evaluations,
        weights.stat().st_size / 1e6 if weights.is_file() else None,
        tuple(gaps),
    )


def _metrics(folder: Path) -> dict[str, Any]:
    metrics = read_metrics(folder)
    if metrics is None:
        raise CheckpointError(
            f"It has not been evaluated: write {METRICS_FILE} with `retina evaluate --json`"
        )
    return metrics


def _answers(folder: Path, temperature: float, metrics: dict[str, Any]) -> Answers:
    """The answers, if the figures are theirs.

    Raises:
        CheckpointError: they are not, or cannot be read.
    """
    from sklearn.metrics import confusion_matrix  # slow to import, and the page opens without

    answers = read_predictions(folder / PREDICTIONS_FILE, temperature)
    counts = confusion_matrix(answers.grades, answers.predicted, labels=range(NUM_GRADES))
    if counts.tolist() != metrics["confusion_matrix"]:
        raise CheckpointError(
            f"{PREDICTIONS_FILE} and {METRICS_FILE} are not of the same answers: write both anew "
            "with `retina evaluate --predictions FILE --json`"
        )
    return answers
