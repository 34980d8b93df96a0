"""The report of an experiment, as one self-contained HTML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retina.errors import SettingsError
from retina.files import write_text
from retina.reporting import runs as lab
from retina.reporting.experiment_figures import draw_figures
from retina.reporting.findings import ONE_GRADE_SHARE, OVERFITTING_GAP, findings, summary
from retina.reporting.formatting import (
    decimal,
    figure_cell,
    hundredths,
    interval,
    number,
    percent,
    template,
    words,
)
from retina.reporting.leave_one_out import (
    LeftOut,
    left_out_rows,
    left_out_table,
    on_all_sources,
)
from retina.reporting.runs import (
    FinishedRun,
    Study,
    comparison_table,
    finished_runs,
    labels,
    read_finished_run,
)
from retina.scale import LABELS, NOT_ASSESSED, NUM_GRADES, RESEARCH_ONLY
from retina.version import __version__

__all__ = [
    "FinishedRun",
    "Study",
    "comparison_table",
    "finished_runs",
    "read_finished_run",
    "write_experiment_report",
]

REPORT_FILE = "report.html"

TITLES: dict[Study, str] = {
    "comparison": "Comparison of training runs",
    "ablation": "Ablation: augmentation and normalisation",
    "imbalance": "Imbalance: sampling and loss",
    "leave-one-out": "Hospitals left out of training",
}
# Values of `training` that are no settings.
NO_SETTING = {"architecture", "start", "variant"}
WORDS = {
    "lr": "learning rate",
    "amp": "mixed precision",
    "crop": "cropped to the retina",
    "size": "side of the square, px",
    "interpolation": "resized with",
    "mean": "mean of red, green, blue",
    "std": "deviation of red, green, blue",
}
OUTCOMES = {"best_epoch", "best_validation_kappa", "seconds", "device", "torch"}


def write_experiment_report(
    output: Path,
    runs: Sequence[FinishedRun],
    *,
    study: Study,
    remarks: Sequence[str],
    gap: str | None,
    command: str,
) -> None:
    """Write ``report.html``, ``comparison.csv`` and the figures, each atomically.

    The figures are ``accuracy-trend-ARCHITECTURE.png``, ``confusion-matrix-NAME.png``, and
    ``ablation.png``, ``imbalance.png`` or ``leave-one-out.png`` for that study, which also has a
    ``leave-one-out.csv``.

    Args:
        output: The output folder; created if it does not exist.
        runs: At least one run, in the order of the report.
        study: The kind of study.
        remarks: Sentences on the data and its split.
        gap: Why requested runs are missing; None if none are.
        command: The command line.

    Raises:
        SettingsError: There is no run.
        OSError: A file cannot be written.
    """
    if not runs:
        raise SettingsError("there is no finished run to report on: train one first")
    write_text(output / "comparison.csv", comparison_table(runs).to_csv(index=False))
    left_out: list[LeftOut] = []
    if study == "leave-one-out":
        left_out = left_out_rows(runs)
        write_text(output / "leave-one-out.csv", left_out_table(left_out).to_csv(index=False))
        runs = on_all_sources(runs)
    page = template("retina.reporting", "experiment_report.html").render(
        title=TITLES[study],
        command=command,
        summary=summary(runs),
        gap=gap,
        figures=draw_figures(output, runs, study, left_out),
        left_out=_left_out(left_out),
        sources=_sources(runs),
        headline=_headline(runs),
        runs=list(zip(labels(runs), runs, strict=True)),
        settings=_settings(runs),
        remarks=remarks,
        findings=findings(runs, study),
        cropped=all(run.config.preprocessing.crop for run in runs),
        lab=lab,
        overfitting_gap=OVERFITTING_GAP,
        one_grade_share=ONE_GRADE_SHARE,
        research_only=RESEARCH_ONLY,
        not_assessed=NOT_ASSESSED,
        version=__version__,
        percent=percent,
        decimal=decimal,
        number=number,
        duration=_duration,
    )
    write_text(output / REPORT_FILE, page)


def _headline(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """Return the main table: a row per run, with the accuracy of the lab if there is one."""
    truths = {tuple(run.confusion_matrix.sum(axis=1).tolist()) for run in runs}
    lab_accuracy = [
        None
        if run.variant or run.is_taught
        else lab.LAB_ACCURACY.get((run.config.architecture, run.start))
        for run in runs
    ]
    return {
        "grades": LABELS,
        "truths": truths.pop() if len(truths) == 1 else None,
        "has_lab": any(lab_accuracy),
        "has_bounds": any(interval(run.metric("accuracy")) for run in runs),
        "rows": [
            {
                "label": label,
                "warning": run.not_imagenet,
                "lab": None if value is None else percent(value, 2),
                "accuracy": figure_cell(run.metric("accuracy"), lambda v: percent(v, 2)),
                "baseline": figure_cell(
                    run.metric("majority_baseline_accuracy"), lambda v: percent(v, 2)
                ),
                "kappa": figure_cell(run.metric("quadratic_weighted_kappa"), decimal),
                "balanced": figure_cell(run.metric("balanced_accuracy"), percent),
                "recalls": [
                    figure_cell(run.metric(f"recall_{grade}"), hundredths, shaded=True)
                    for grade in range(NUM_GRADES)
                ],
                "more": [figure_cell(run.metric(name), decimal) for name in _MORE],
            }
            for label, run, value in zip(labels(runs), runs, lab_accuracy, strict=True)
        ],
    }


def _sources(runs: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    """Return a row per source of each run that was tested on several."""
    return [
        {
            "label": label,
            "source": source,
            "n": figures["n"],
            "cells": [
                figure_cell(figures["quadratic_weighted_kappa"], decimal),
                figure_cell(figures["accuracy"], percent),
                *(
                    figure_cell(figures["referable"][name], decimal)
                    for name in ("auroc", "sensitivity", "specificity")
                ),
                figure_cell(figures["ece"], decimal),
            ],
        }
        for label, run in zip(labels(runs), runs, strict=True)
        for source, figures in run.sources.items()
    ]


def _left_out(rows: Sequence[LeftOut]) -> list[dict[str, Any]]:
    columns = ("in_source", "left_out_test", "left_out")
    return [
        {
            "label": row.name,
            "hospital": row.hospital,
            "tested": row.in_source["n"],
            "all": row.left_out["n"],
            "cells": [
                figure_cell(row.metric(column, name), decimal)
                for name in ("kappa", "auroc")
                for column in columns
            ],
        }
        for row in rows
    ]


_MORE = ("referable_auroc", "referable_sensitivity", "referable_specificity", "macro_f1")


def _settings(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """Return the settings that all runs share, and those that differ."""
    each = []
    for run in runs:
        preparation = run.config.preprocessing.to_json()
        settings = {k: v for k, v in run.training.items() if k not in NO_SETTING | OUTCOMES}
        settings.setdefault("epochs", run.epochs)
        settings.pop("image_size", None)
        if any(other.is_taught for other in runs):
            settings.setdefault("teacher", "none")
        each.append({k: words(v) for k, v in {**settings, **preparation}.items()})
    names = list(dict.fromkeys(name for settings in each for name in settings))
    rows = {name: [settings.get(name, "not recorded") for settings in each] for name in names}
    common = {name: values[0] for name, values in rows.items() if len(set(values)) == 1}
    differing = {name: values for name, values in rows.items() if len(set(values)) > 1}
    return {
        "common": {
            WORDS.get(name, name.replace("_", " ")): value for name, value in common.items()
        },
        "differing": [WORDS.get(name, name.replace("_", " ")) for name in differing],
        "values": list(zip(*differing.values(), strict=True)) or [()] * len(runs),
    }


def _duration(seconds: Any) -> str:
    value = number(seconds)
    if value is None:
        return "–"
    if value < 120:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
