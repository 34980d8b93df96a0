"""The figures of an experiment report, and their captions."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from retina.files import replacing
from retina.reporting.figures import (
    accuracy_trend_figure,
    confusion_matrix_figure,
    imbalance_figure,
    in_the_dark,
    png,
)
from retina.reporting.leave_one_out import LeftOut, left_out_figure
from retina.reporting.runs import FinishedRun, Study, labels
from retina.scale import LABELS

PLAIN = "plain"
_TREND_DESCRIPTION = "Accuracy by epoch, training dashed and validation solid."


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report; ``light`` and ``dark`` are PNG files in base64."""

    file: str
    caption: str
    description: str
    warning: str | None
    wide: bool
    light: str
    dark: str


def draw_figures(
    output: Path,
    runs: Sequence[FinishedRun],
    study: Study,
    left_out: Sequence[LeftOut] = (),
) -> list[ReportFigure]:
    """Draw all figures of a report, and write each as PNG.

    Args:
        output: The output folder.
        runs: At least one run.
        study: The kind of study; all but ``comparison`` have a figure of their own.
        left_out: The rows of the leave-one-out study.

    Returns:
        The figures to show: that of the study, accuracy trends, confusion matrices.
    """
    return list(_figures(output, runs, study, left_out))


def _figures(
    output: Path, runs: Sequence[FinishedRun], study: Study, left_out: Sequence[LeftOut]
) -> Iterator[ReportFigure]:
    named = dict(zip(labels(runs), runs, strict=True))
    limits = _limits(runs)

    def draw(
        file: str,
        figure: Figure,
        caption: str,
        description: str,
        members: Mapping[str, FinishedRun],
    ) -> ReportFigure:
        light = png(figure)
        with replacing(output / file) as temporary:
            temporary.write_bytes(light)
        elsewhere = [
            f"{label} {run.not_imagenet}" for label, run in members.items() if run.not_imagenet
        ]
        return ReportFigure(
            file=file,
            caption=caption,
            description=description,
            warning="; ".join(elsewhere) or None,
            wide=figure.get_figwidth() > 8,
            light=base64.b64encode(light).decode(),
            dark=base64.b64encode(png(in_the_dark(figure))).decode(),
        )

    if study == "ablation":
        figure = _trend(named, _ablation_title(named), _ablation_labels(named), limits)
        yield draw("ablation.png", figure, "Ablation", _TREND_DESCRIPTION, named)
    if study == "imbalance":
        figure = _imbalance(named)
        description = "Test split: one row per variant, one column per metric."
        yield draw("imbalance.png", figure, "Imbalance", description, named)
    if left_out:
        description = "Kappa and AUROC on each hospital, of networks trained with and without it."
        figure = left_out_figure(left_out)
        yield draw("leave-one-out.png", figure, "Leave one out", description, named)
    for architecture in dict.fromkeys(run.config.architecture for run in runs):
        members = {k: run for k, run in named.items() if run.config.architecture == architecture}
        figure = _trend(
            members, f"{architecture}: accuracy by epoch", _plain_labels(members), limits
        )
        file = f"accuracy-trend-{_file_name(architecture)}.png"
        shown = draw(file, figure, architecture, _TREND_DESCRIPTION, members)
        if study != "ablation":
            yield shown
    for label, run in named.items():
        figure = confusion_matrix_figure(
            run.confusion_matrix.tolist(),
            f"{label}, {run.pictures:,} test photographs",
            run.not_imagenet,
        )
        description = (
            "Test split: share and number of the photographs of each true grade by predicted grade."
        )
        file = f"confusion-matrix-{_file_name(label)}.png"
        yield draw(file, figure, label, description, {label: run})


def _limits(runs: Sequence[FinishedRun]) -> tuple[float, float]:
    """Return common limits of the accuracy axes, with a margin."""
    curves = [run.history[["train_accuracy", "validation_accuracy"]].to_numpy() for run in runs]
    baselines = [run.value("majority_baseline_accuracy") for run in runs]
    values = np.concatenate([np.ravel(curve) for curve in curves] + [np.array(baselines, float)])
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    air = 0.05 * max(high - low, 0.1)
    return float(low - air), float(high + air)


def _trend(
    named: Mapping[str, FinishedRun],
    title: str,
    shown: Mapping[str, str],
    limits: tuple[float, float],
) -> Figure:
    return accuracy_trend_figure(
        {shown[label]: run.history for label, run in named.items()},
        title,
        {shown[label]: run.best_epoch for label, run in named.items() if run.best_epoch},
        _common_baseline(named),
        limits,
    )


def _ablation_title(named: Mapping[str, FinishedRun]) -> str:
    kinds = {f"{run.config.architecture}-{run.start}" for run in named.values()}
    return f"{', '.join(sorted(kinds))}: accuracy by epoch"


def _plain_labels(named: Mapping[str, FinishedRun]) -> dict[str, str]:
    return {label: _with_origin(label, run) for label, run in named.items()}


def _ablation_labels(named: Mapping[str, FinishedRun]) -> dict[str, str]:
    words = {
        (True, True): "augmentation and normalisation",
        (True, False): "augmentation alone",
        (False, True): "normalisation alone",
        (False, False): "neither",
    }
    result = {}
    for label, run in named.items():
        settings = run.training
        key = bool(settings.get("augmentation", True)), bool(settings.get("normalisation", True))
        result[label] = _with_origin(words[key], run)
    # With several architectures or runs of one kind, only their names are unique.
    return result if len(set(result.values())) == len(result) else _plain_labels(named)


def _with_origin(text: str, run: FinishedRun) -> str:
    return f"{text}\n{fill(run.not_imagenet, 60)}" if run.not_imagenet else text


def _imbalance(named: Mapping[str, FinishedRun]) -> Figure:
    columns = {"accuracy": "Accuracy", "quadratic_weighted_kappa": "Kappa"}
    columns |= {f"recall_{grade}": f"Recall\n{label}" for grade, label in enumerate(LABELS)}
    kinds = {f"{run.config.architecture}-{run.start}" for run in named.values()}
    one_kind = len(kinds) == 1 and len({run.variant for run in named.values()}) == len(named)
    shown = {
        label: _with_origin(run.variant or PLAIN if one_kind else label, run)
        for label, run in named.items()
    }
    values = [[run.value(name) for name in columns] for run in named.values()]
    table = pd.DataFrame(values, [*shown.values()], [*columns.values()], dtype="float64")
    plain = [shown[label] for label, run in named.items() if not run.variant]
    return imbalance_figure(
        table,
        f"{', '.join(sorted(kinds))}: accuracy, kappa and recall of each grade",
        plain[0] if len(plain) == 1 else None,
        _common_baseline(named),
    )


def _common_baseline(named: Mapping[str, FinishedRun]) -> float | None:
    baselines = {run.value("majority_baseline_accuracy") for run in named.values()}
    return baselines.pop() if len(baselines) == 1 else None


def _file_name(label: str) -> str:
    return re.sub(r"[^\w.-]+", "_", label)
