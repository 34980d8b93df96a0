"""All models in one wide table: what each is, and how it did on photographs it had not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from retina.reporting.cells import Cell, metric_cell
from retina.reporting.finished_runs import FinishedRun
from retina.reporting.formatting import decimal, hundredths, percent
from retina.reporting.lab import (
    LAB_BASELINE,
    LAB_DATA,
    LAB_SIZE,
    LAB_TESTED_ON,
    LAB_TRAINED_ON,
)
from retina.reporting.shown_models import ShownModel
from retina.scale import LABELS, NUM_GRADES, REFERABLE_FROM

_KAPPA, _AUROC = "quadratic_weighted_kappa", "referable_auroc"
_RECALL = "Recall of each grade"
_REFERABLE = f"Referable: grade {REFERABLE_FROM} or above"
_ACCURACY = "Accuracy"


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        name: Its head.
        cells: One for each model.
        group: A head that it shares with its neighbours; empty for none.
        is_text: Whether it holds words and not numbers.
    """

    name: str
    cells: Sequence[Cell]
    group: str = ""
    is_text: bool = False


def model_table(models: Sequence[ShownModel]) -> list[Column]:
    """The columns beside the models' names: figures first, so that they need no scrolling.

    The sources of the test part, where there are several, and other sets in the order of their
    names follow the test part, each with what finding referable disease comes to; then the words.

    Args:
        models: The rows, in their order.
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
        return Column(name, [metric_cell(run, key, form, shaded=shaded) for run in runs], group)

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
        words("Tested on", tested_on),
        words("Started from", origin),
        words("Architecture", lambda run: run.config.architecture),
        words("Image size", lambda run: f"{run.config.preprocessing.size} px"),
        Column("File size", [Cell(_size(model.megabytes)) for model in models]),
    ]


def origin(run: FinishedRun) -> str:
    """What a model started from, and whose answers it learned beside the grades."""
    start = run.config.initial_weights.words
    teacher = run.training.get("teacher")
    return f"{start}; taught by {teacher.get('name')}" if isinstance(teacher, dict) else start


def tested_on(run: FinishedRun) -> str:
    """How many of which photographs the test part holds, and whether it shares patients."""
    if not run.metrics:
        return "not yet"
    photographs = f"{run.pictures:,} photographs of {run.config.data.name}"
    shared = run.config.data.shared_patients
    return f"{photographs}, {shared:.0%} of a patient it was trained on" if shared else photographs


def why_the_lab_differs(runs: Sequence[FinishedRun]) -> str:
    """In what the lab's figures and those of some runs are not of the same thing."""
    data = sorted({run.config.data.name for run in runs})
    sizes = [str(size) for size in sorted({run.config.preprocessing.size for run in runs})]
    foreign = [run.name for run in runs if run.not_imagenet]
    start = (
        f" {_and(foreign)} did not start from torchvision’s ImageNet weights." if foreign else ""
    )
    return (
        f"They are of other photographs and of another size: the lab trained on "
        f"{LAB_TRAINED_ON:,} photographs of {LAB_DATA} at {LAB_SIZE} px and tested on "
        f"{LAB_TESTED_ON:,}, where always answering No DR scores {percent(LAB_BASELINE, 2)}; the "
        f"models above learned from {_and(data)} at {_and(sizes)} px."
        f"{start} The lab chose the epoch on its test photographs, most of them of a patient whose "
        "other eye it had trained on; here validation chose, and the test part was opened once. So "
        "its figures are a landmark, not a score to beat."
    )


def _by_source(models: Sequence[ShownModel]) -> list[Column]:
    names = dict.fromkeys(name for model in models for name in model.run.sources)
    return [
        column
        for name in names
        for column in _on_set(
            models, f"{name}, test part", [model.run.sources.get(name, {}) for model in models]
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
        Column(head, [metric_cell(run, key, decimal) for run in runs], group)
        for head, key in (
            ("AUROC", _AUROC),
            ("Kappa", _KAPPA),
            ("Sensitivity", "referable_sensitivity"),
            ("Specificity", "referable_specificity"),
        )
    ]


def _counted(sets: Sequence[dict[str, Any]]) -> str:
    """How many patients or photographs another set has, where all models met the same number."""
    counts = {(each.get("n"), bool(each.get("by_patient"))) for each in sets}
    if len(counts) != 1:
        return ""
    count, by_patient = counts.pop()
    return f", {count} {'patients' if by_patient else 'photographs'}"


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _size(megabytes: float | None) -> str:
    return "–" if megabytes is None else f"{megabytes:.1f} MB"
