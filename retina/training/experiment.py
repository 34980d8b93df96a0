"""``python train.py``: the runs of an experiment, one after another, and what they leave."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from retina.atomic import write_json, write_text
from retina.devices import choose_device
from retina.errors import SettingsError, WeightsError
from retina.models.config import read_metrics
from retina.models.pretrained import InitialWeights, resolve_pretrained
from retina.reporting.figures import accuracy_trend_figure, confusion_matrix_figure, save_figure
from retina.training.config import RunSettings
from retina.training.parts import read_parts
from retina.training.run import train_run
from retina.training.trainer import HISTORY_FILE

SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class Experiment:
    """What ``python train.py`` was asked to do.

    Attributes:
        runs: In the order in which they are trained.
        data: A data folder, or ``synthetic``.
        output: The folder that everything is written to.
        pretrained: A weights file, or a folder of them; None for torchvision's own.
        pretrained_wanted: Whether ``--pretrained`` was given, so that it is an error where the
            weights cannot be had; else the pretrained runs are left out and the gap is named.
        device: ``auto``, or what ``torch.device`` takes.
        workers: Processes that prepare batches; None for the machine's habit.
        resume: Go on with what lies in ``output``.
    """

    runs: tuple[RunSettings, ...]
    data: str
    output: Path
    pretrained: Path | None = None
    pretrained_wanted: bool = False
    device: str = "auto"
    workers: int | None = None
    resume: bool = False

    def to_json(self) -> dict[str, Any]:
        """What must be the same when a run is resumed."""
        return {
            "data": self.data,
            "pretrained": None if self.pretrained is None else str(self.pretrained),
            "runs": [run.to_json() for run in self.runs],
        }


def run_experiment(experiment: Experiment) -> None:
    """Train every run, open the test part once for each, and draw the comparison.

    Raises:
        InputError: settings, data, weights or output folder cannot be used.
        KeyboardInterrupt: Ctrl-C; ``--resume`` goes on from there.
    """
    device = choose_device(experiment.device)
    workers = default_workers(device) if experiment.workers is None else experiment.workers
    _check_output(experiment)
    weights, gap = _initial_weights(experiment)
    runs = [run for run in experiment.runs if run.start == "scratch" or gap is None]
    if gap:
        print(f"the pretrained runs are left out: {gap}", file=sys.stderr)
    parts = read_parts(experiment.data, experiment.runs[0].seed)
    for remark in parts.remarks:
        print(remark, file=sys.stderr)
    experiment.output.mkdir(parents=True, exist_ok=True)
    write_json(experiment.output / SETTINGS_FILE, experiment.to_json())
    for run in runs:
        folder = experiment.output / run.name
        if read_metrics(folder) is None:
            initial = weights.get(run.architecture) if run.start == "pretrained" else None
            train_run(run, parts, initial, folder, device, workers, experiment.resume)
    _compare(experiment.output, [run.name for run in runs])


def default_workers(device: torch.device) -> int:
    """Processes that prepare batches: none beside a CPU that computes, up to 8 beside a GPU."""
    return min(8, os.cpu_count() or 1) if device.type == "cuda" else 0


def _check_output(experiment: Experiment) -> None:
    output, settings = experiment.output, experiment.output / SETTINGS_FILE
    if not settings.exists():
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise SettingsError(f"{output} is not an empty folder: name another with --output")
        return
    if not experiment.resume:
        raise SettingsError(
            f"{output} holds a run already: go on with --resume, or name another with --output"
        )
    try:
        before = json.loads(settings.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SettingsError(f"{settings} cannot be read: name another --output") from None
    now = json.loads(json.dumps(experiment.to_json()))
    if before != now:
        raise SettingsError(
            f"{output} holds a run with other settings ({_first_difference(before, now)}): "
            "resume with the same ones, or name another --output"
        )


def _first_difference(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                inner = _first_difference(before.get(key), now.get(key))
                return inner if isinstance(before.get(key), list) else f"{key}: {inner}"
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for one, other in zip(before, now, strict=True):
            if one != other:
                return _first_difference(one, other)
    return f"{before} then, {now} now"


def _initial_weights(experiment: Experiment) -> tuple[dict[str, InitialWeights], str | None]:
    """The weights of the pretrained runs, and why there are none where that is no error."""
    wanted = [run.architecture for run in experiment.runs if run.start == "pretrained"]
    try:
        return resolve_pretrained(wanted, experiment.pretrained) if wanted else {}, None
    except WeightsError as error:
        if experiment.pretrained_wanted or all(r.start == "pretrained" for r in experiment.runs):
            raise
        return {}, str(error)


def _compare(output: Path, names: list[str]) -> None:
    """Write ``comparison.csv``, the accuracy trends and the confusion matrices."""
    metrics = {name: read_metrics(output / name) or {} for name in names}
    table = pd.DataFrame([comparison_row(name, metrics[name]) for name in names])
    write_text(output / "comparison.csv", table.to_csv(index=False))
    for name in names:
        figure = confusion_matrix_figure(metrics[name]["confusion_matrix"], f"{name}, test part")
        save_figure(figure, output / f"confusion-matrix-{name}.png")
    for architecture in dict.fromkeys(name.rsplit("-", 1)[0] for name in names):
        histories = {
            name: pd.read_csv(output / name / HISTORY_FILE)
            for name in names
            if name.rsplit("-", 1)[0] == architecture
        }
        save_figure(
            accuracy_trend_figure(histories, f"{architecture}: accuracy by epoch"),
            output / f"accuracy-trend-{architecture}.png",
        )


def comparison_row(name: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A run's row of ``comparison.csv``: the lab's accuracy, and what says more."""
    return {
        "model": name,
        "n": metrics["n"],
        "accuracy": metrics["accuracy"],
        "majority_baseline_accuracy": metrics["majority_baseline_accuracy"],
        "balanced_accuracy": metrics["balanced_accuracy"],
        "quadratic_weighted_kappa": metrics["quadratic_weighted_kappa"],
        "macro_f1": metrics["macro_f1"],
        **{f"recall_{grade}": value for grade, value in enumerate(metrics["recall"])},
        "referable_sensitivity": metrics["referable"]["sensitivity"],
        "referable_specificity": metrics["referable"]["specificity"],
        "referable_auroc": metrics["referable"]["auroc"],
    }
