"""Checkpoints as the page shows them, read from their files without loading a network."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from retina.errors import CheckpointError
from retina.evaluation.predictions import Predictions, read_predictions
from retina.models.checkpoint_folder import (
    METRICS_FILE,
    read_config,
    read_evaluations,
    read_metrics,
)
from retina.models.config import HISTORY_FILE, PREDICTIONS_FILE, WEIGHTS_FILE
from retina.reporting.formatting import (
    Cell,
    decimal,
    figure_cell,
    hundredths,
    joined,
    percent,
    unit,
)
from retina.reporting.runs import (
    ACCURACY_COLUMNS,
    LAB_BASELINE,
    LAB_DATA,
    LAB_SIZE,
    LAB_TESTED_ON,
    LAB_TRAINED_ON,
    FinishedRun,
    order,
    read_history,
)
from retina.scale import LABELS, NUM_GRADES, REFERABLE_FROM

_T = TypeVar("_T")


@dataclass(frozen=True)
class ShownModel:
    """The contents of a checkpoint folder.

    Attributes:
        run: The run; ``metrics`` and ``history`` are empty if their files are missing.
        answers: The predictions on the test split; None if they are missing.
        evaluations: Metrics on other data sets, by name.
        megabytes: Size of the weights; None if they are missing.
        gaps: A sentence on each file that is missing or malformed.
    """

    run: FinishedRun
    answers: Predictions | None
    evaluations: dict[str, dict[str, Any]]
    megabytes: float | None
    gaps: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the folder, by which the model is called everywhere."""
        return self.run.folder.name


def shown_models(folders: Sequence[Path]) -> list[ShownModel]:
    """Read checkpoints, in the order of ``finished_runs``; broken ones are skipped."""
    models = []
    for folder in folders:
        try:
            models.append(read_shown_model(folder))
        except CheckpointError:
            continue
    return sorted(models, key=lambda model: order(model.run))


def read_shown_model(folder: Path) -> ShownModel:
    """Read a checkpoint folder, without its weights; a broken file does not hide the others.

    Raises:
        CheckpointError: ``config.json`` is missing or malformed.
    """
    config = read_config(folder)
    gaps: list[str] = []

    def unless_broken(read: Callable[[], _T], instead: _T) -> _T:
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
        gaps.append(f"There is no {HISTORY_FILE}, so the course of training cannot be shown.")
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


def _answers(folder: Path, temperature: float, metrics: dict[str, Any]) -> Predictions:
    """Read the predictions, and check that the metrics are theirs.

    Raises:
        CheckpointError: The metrics are not, or the predictions cannot be read.
    """
    from sklearn.metrics import confusion_matrix  # Slow to import.

    answers = read_predictions(folder / PREDICTIONS_FILE, temperature)
    counts = confusion_matrix(answers.grades, answers.predicted, labels=range(NUM_GRADES))
    if counts.tolist() != metrics["confusion_matrix"]:
        raise CheckpointError(
            f"{PREDICTIONS_FILE} and {METRICS_FILE} do not match: write both again with "
            "`retina evaluate --predictions FILE --json`"
        )
    return answers


_KAPPA, _AUROC = "quadratic_weighted_kappa", "referable_auroc"
_RECALL = "Recall of each grade"
_REFERABLE = f"Referable: grade {REFERABLE_FROM} or above"
_ACCURACY = "Accuracy"


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        name: The header.
        cells: The cell of each model.
        group: A header shared with the neighbouring columns; may be empty.
        is_text: Whether it holds text rather than numbers.
    """

    name: str
    cells: Sequence[Cell]
    group: str = ""
    is_text: bool = False


def model_table(models: Sequence[ShownModel]) -> list[Column]:
    """Return the columns beside the names of the models, a row per model.

    First the metrics on the test split, on each of its sources if there are several, and on other
    data sets, by name; then the text columns.
    """
    runs = [model.run for model in models]

    def words(name: str, of: Callable[[FinishedRun], str]) -> Column:
        return Column(name, [Cell(of(run)) for run in runs], is_text=True)

    def metric(
        name: str,
        key: str,
        form: Callable[[float | None], str] = decimal,
        group: str = "",
        shaded: bool = False,
    ) -> Column:
        return Column(
            name, [figure_cell(run.metric(key), form, shaded=shaded) for run in runs], group
        )

    return [
        metric("Model", "accuracy", percent, _ACCURACY),
        metric("Majority baseline", "majority_baseline_accuracy", percent, _ACCURACY),
        metric("Quadratic weighted kappa", _KAPPA),
        metric("Balanced accuracy", "balanced_accuracy", percent),
        *(
            metric(LABELS[grade], f"recall_{grade}", hundredths, _RECALL, shaded=True)
            for grade in range(NUM_GRADES)
        ),
        metric("Expected calibration error", "ece"),
        metric("Sensitivity", "referable_sensitivity", group=_REFERABLE),
        metric("Specificity", "referable_specificity", group=_REFERABLE),
        metric("AUROC", _AUROC, group=_REFERABLE),
        *_by_source(models),
        *_elsewhere(models),
        words("Tested on", tested_on_of),
        words("Started from", origin_of),
        words("Architecture", lambda run: run.config.architecture),
        words("Image size", lambda run: f"{run.config.preprocessing.size} px"),
        Column("File size", [Cell(_size(model.megabytes)) for model in models]),
    ]


def origin_of(run: FinishedRun) -> str:
    """Describe what a model started from, and its teacher if it has one."""
    start = run.config.initial_weights.words
    teacher = run.training.get("teacher")
    return f"{start}; taught by {teacher.get('name')}" if isinstance(teacher, dict) else start


def tested_on_of(run: FinishedRun) -> str:
    """Describe the test photographs, and the share of them whose patients are in training."""
    if not run.metrics:
        return "not yet"
    photographs = f"{run.pictures:,} photographs of {run.config.data.name}"
    shared = run.config.data.shared_patients
    return f"{photographs}, {shared:.0%} of a patient it was trained on" if shared else photographs


def why_the_lab_differs(runs: Sequence[FinishedRun]) -> str:
    """Explain why the results of the lab and of some runs are not comparable."""
    data = sorted({run.config.data.name for run in runs})
    sizes = [str(size) for size in sorted({run.config.preprocessing.size for run in runs})]
    foreign = [run.name for run in runs if run.not_imagenet]
    start = (
        f" {joined(foreign)} did not start from torchvision’s ImageNet weights." if foreign else ""
    )
    return (
        f"They are for other photographs and another image size: the lab trained on "
        f"{LAB_TRAINED_ON:,} photographs of {LAB_DATA} at {LAB_SIZE} px and tested on "
        f"{LAB_TESTED_ON:,}, where always predicting No DR scores {percent(LAB_BASELINE, 2)}; the "
        f"models above were trained on {joined(data)} at {joined(sizes)} px.{start} The lab chose "
        "the epoch on its test photographs, most of them of a patient whose other eye it had "
        "trained on; here the epoch was chosen on validation, and the test split was used once. So "
        "its results are a point of reference, not a score to beat."
    )


def _by_source(models: Sequence[ShownModel]) -> list[Column]:
    names = dict.fromkeys(name for model in models for name in model.run.sources)
    return [
        column
        for name in names
        for column in _on_set(
            models, f"{name}, test split", [model.run.sources.get(name, {}) for model in models]
        )
    ]


def _elsewhere(models: Sequence[ShownModel]) -> list[Column]:
    return [
        column
        for name in sorted({name for model in models for name in model.evaluations})
        for column in _on_set(models, name, [model.evaluations.get(name, {}) for model in models])
    ]


def _on_set(
    models: Sequence[ShownModel], name: str, metrics: Sequence[dict[str, Any]]
) -> list[Column]:
    runs = [replace(model.run, metrics=each) for model, each in zip(models, metrics, strict=True)]
    group = f"On {name}{_counted([each for each in metrics if each])}"
    return [
        Column(head, [figure_cell(run.metric(key), decimal) for run in runs], group)
        for head, key in (
            ("AUROC", _AUROC),
            ("Kappa", _KAPPA),
            ("Sensitivity", "referable_sensitivity"),
            ("Specificity", "referable_specificity"),
        )
    ]


def _counted(sets: Sequence[dict[str, Any]]) -> str:
    """Return the size of a data set, if all models were tested on the same number."""
    counts = {f", {each.get('n')} {unit(each)}" for each in sets}
    return counts.pop() if len(counts) == 1 else ""


def _size(megabytes: float | None) -> str:
    return "–" if megabytes is None else f"{megabytes:.1f} MB"
