"""The figures of a model, for light and dark pages, with descriptions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from retina.evaluation.predictions import Predictions
from retina.reporting.evaluation_figures import reliability_figure, roc_figure
from retina.reporting.figures import (
    accuracy_trend_figure,
    confusion_matrix_figure,
    in_the_dark,
    png,
)
from retina.reporting.formatting import counted, decimal, number, percent, with_interval
from retina.reporting.model_table import ShownModel, tested_on_of
from retina.reporting.runs import FinishedRun
from retina.scale import LABELS


@dataclass(frozen=True)
class ModelFigure:
    """A figure of a model.

    Attributes:
        name: An identifier, such as ``roc``.
        title: A title, such as "ROC for referable disease".
        description: Its key numbers, for those who cannot see it.
        light: PNG file.
        dark: PNG file with a transparent background, for a dark page.
    """

    name: str
    title: str
    description: str
    light: bytes
    dark: bytes


def model_figures(model: ShownModel) -> list[ModelFigure]:
    """Draw accuracy trend, confusion matrix, reliability and ROC, as far as there is data.

    ``model.gaps`` says what is missing.
    """
    return [
        ModelFigure(name, title, description, png(figure), png(in_the_dark(figure)))
        for name, title, description, figure in _figures(model)
    ]


def _figures(model: ShownModel) -> Iterator[tuple[str, str, str, Figure]]:
    run, answers = model.run, model.answers
    title, note = f"{model.name}: {tested_on_of(run)}", run.not_imagenet
    if len(run.history):
        figure = accuracy_trend_figure(
            {model.name: run.history},
            f"{model.name}: accuracy by epoch",
            {model.name: run.best_epoch} if run.best_epoch else None,
            run.value("majority_baseline_accuracy"),
        )
        yield "trend", "Accuracy by epoch", _trend(run), figure
    if run.metrics:
        figure = confusion_matrix_figure(run.confusion_matrix.tolist(), title, note)
        yield "matrix", "Confusion matrix", _matrix(run), figure
    if answers is not None and _is_calibrated(run.metrics):
        figure = reliability_figure(answers, run.metrics, title, note)
        yield "reliability", "Reliability", _reliability(run, answers), figure
    if answers is not None and _has_operating_point(run):
        figure = roc_figure(answers, run.metrics, title, note)
        yield "roc", "ROC for referable disease", _roc(run), figure


def _trend(run: FinishedRun) -> str:
    chosen = run.history[run.history["epoch"] == run.best_epoch]
    epochs = counted(run.epochs, "epoch")
    if chosen.empty:
        return f"Accuracy in training and on validation over {epochs}."
    row = chosen.iloc[0]
    return (
        f"Of {epochs}, validation chose epoch {run.best_epoch}, with an accuracy of "
        f"{percent(number(float(row['validation_accuracy'])))} on validation and "
        f"{percent(number(float(row['train_accuracy'])))} in training."
    )


def _matrix(run: FinishedRun) -> str:
    matrix = run.confusion_matrix
    shares = [
        f"{label} {row[grade] / row.sum():.0%}, of {row.sum():,}"
        for grade, (label, row) in enumerate(zip(LABELS, matrix, strict=True))
        if row.sum()
    ]
    return f"Recall of each grade: {'; '.join(shares)}."


def _reliability(run: FinishedRun, answers: Predictions) -> str:
    sure = float(answers.probability.max(axis=1).mean())
    right = float((answers.predicted == answers.grades).mean())
    before = decimal(number(run.metrics["before_temperature"]["ece"]))
    return (
        f"Mean confidence {percent(sure)}, accuracy {percent(right)}. Expected calibration error "
        f"{with_interval(run.metric('ece'))}; {before} before temperature scaling by "
        f"{decimal(run.config.temperature)}."
    )


def _roc(run: FinishedRun) -> str:
    area, sensitivity, specificity = (
        with_interval(run.metric(f"referable_{name}"))
        for name in ("auroc", "sensitivity", "specificity")
    )
    return (
        f"AUROC {area}. At the operating point, a probability of "
        f"{decimal(run.value('referable_threshold'))}: sensitivity {sensitivity}, specificity "
        f"{specificity}."
    )


def _is_calibrated(metrics: dict[str, Any]) -> bool:
    before = metrics.get("before_temperature")
    known = isinstance(before, dict) and number(before.get("ece")) is not None
    return known and number(metrics.get("ece")) is not None


def _has_operating_point(run: FinishedRun) -> bool:
    names = ("auroc", "sensitivity", "specificity", "threshold")
    return all(run.value(f"referable_{name}") is not None for name in names)
