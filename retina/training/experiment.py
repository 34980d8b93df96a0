"""Experiments: several runs on the same data, and a report on them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from joblib import cpu_count  # type: ignore[import-untyped]

from retina import distributed
from retina.devices import choose_device
from retina.errors import SettingsError, WeightsError
from retina.files import remove_unfinished, write_json
from retina.models.checkpoint import Checkpoint
from retina.models.checkpoint_folder import read_metrics
from retina.models.pretrained import InitialWeights, resolve_pretrained
from retina.process import keep_freed_memory
from retina.reporting.experiment_report import write_experiment_report
from retina.reporting.runs import SETTINGS_FILE, Study, read_finished_run, read_settings
from retina.training.batches import SAMPLINGS
from retina.training.data import SplitData, check_split, read_split_data, refuse_leaks
from retina.training.leave_one_out import evaluate_left_out, with_each_left_out
from retina.training.losses import LOSSES
from retina.training.run import train_run
from retina.training.settings import RunSettings, Start
from retina.training.teacher import refuse_familiar

DEFAULT_MODELS: dict[Study, tuple[str, ...]] = {
    "comparison": ("resnet18", "resnet50"),
    "ablation": ("resnet50",),
    "imbalance": ("resnet18",),
    "leave-one-out": ("resnet18",),
}
DEFAULT_STARTS: dict[Study, tuple[Start, ...]] = {
    "comparison": ("scratch", "pretrained"),
    "ablation": ("pretrained",),
    "imbalance": ("scratch",),
    "leave-one-out": ("pretrained",),
}
DEFAULT_EPOCHS: dict[Study, int] = {
    "comparison": 10,
    "ablation": 20,
    "imbalance": 10,
    "leave-one-out": 10,
}


def plan(
    study: Study, models: Sequence[str], starts: Sequence[Start], common: RunSettings
) -> tuple[RunSettings, ...]:
    """Return the runs of a study, in the order in which they are trained.

    - ``comparison``: every model from every start.
    - ``ablation``, section 4.2 of the lab's report: one model with augmentation and normalisation,
      with either, and with neither.
    - ``imbalance``: one model as it is, then with each other sampling and each other loss.
    - ``leave-one-out``: every model from every start; the runs that leave a source out are added
      once the data is read.

    Args:
        study: The kind of study.
        models: Architectures; if empty, those of the study.
        starts: If empty, those of the study.
        common: All other settings.

    Raises:
        SettingsError: A study of one model was given several.
    """
    chosen = [
        replace(common, architecture=model, start=start)
        for model in dict.fromkeys(models or DEFAULT_MODELS[study])
        for start in starts or DEFAULT_STARTS[study]
    ]
    if study in ("comparison", "leave-one-out"):
        return tuple(chosen)
    if len(chosen) > 1:
        raise SettingsError(
            f"the {study} study trains one model from one start: give one --model, and either "
            "--scratch or --pretrained"
        )
    return _ablation(chosen[0]) if study == "ablation" else _imbalance(chosen[0])


def _ablation(run: RunSettings) -> tuple[RunSettings, ...]:
    return (
        replace(run, variant="augmentation-normalisation"),
        replace(run, variant="augmentation", normalisation=False),
        replace(run, variant="normalisation", augmentation=False),
        replace(run, variant="neither", augmentation=False, normalisation=False),
    )


def _imbalance(run: RunSettings) -> tuple[RunSettings, ...]:
    samplings = [
        replace(run, sampling=sampling, variant=f"sampling-{sampling}")
        for sampling in SAMPLINGS
        if sampling != run.sampling
    ]
    losses = [
        replace(run, loss=loss, variant=f"loss-{loss}") for loss in LOSSES if loss != run.loss
    ]
    return (run, *samplings, *losses)


@dataclass(frozen=True)
class Experiment:
    """What ``python train.py`` was asked to do.

    Attributes:
        study: The kind of study.
        runs: The runs, in the order in which they are trained.
        data: Data folders, each a source of its own, or ``synthetic``.
        output: The output folder.
        pretrained: A file of weights, or a folder of them; None for torchvision's.
        needs_pretrained: Whether missing weights are an error; otherwise the pretrained runs are
            left out, and the report says so.
        device: ``auto``, or the name of a ``torch.device``.
        workers: Number of data-loading processes; None for ``default_workers``.
        compiled: Whether to compile the networks.
        resume: Whether to continue what is in ``output``.
        teacher: The checkpoint that the settings of the runs name as their teacher.
        allow_leaks: Whether to accept patients in both the test split and another.
        command: The command line, for the report.
    """

    study: Study
    runs: tuple[RunSettings, ...]
    data: tuple[str, ...]
    output: Path
    pretrained: Path | None = None
    needs_pretrained: bool = False
    device: str = "auto"
    workers: int | None = None
    compiled: bool = False
    resume: bool = False
    teacher: Checkpoint | None = None
    allow_leaks: bool = False
    command: str = "python train.py"


def run_experiment(experiment: Experiment) -> None:
    """Train and test every run, and write the report.

    Raises:
        InputError: The settings, data, weights or output folder cannot be used.
        KeyboardInterrupt: Ctrl-C; ``--resume`` continues from there.
    """
    with distributed.process_group(choose_device(experiment.device)) as device:
        _check_processes(experiment)
        if device.type == "cpu":
            keep_freed_memory()
        if distributed.is_writer():
            _check_output(experiment)
        check_split(experiment.data)
        with distributed.first_process_first():
            weights, gap = _initial_weights(experiment)
        for warning in filter(None, (each.warning for each in weights.values())):
            _say(f"warning: {warning}")
        if gap:
            _say(f"warning: the pretrained runs are left out: {gap}")
        parts = read_split_data(experiment.data, experiment.runs[0].seed)
        if not experiment.allow_leaks:
            refuse_leaks(parts)
        if experiment.teacher is not None:
            refuse_familiar(experiment.teacher, parts.table)
        for remark in parts.remarks:
            _say(remark)
        if experiment.study == "leave-one-out":
            planned = with_each_left_out(experiment.runs, parts.hospitals)
            experiment = replace(experiment, runs=planned)
        if distributed.is_writer():
            _claim_output(experiment, parts, weights, gap)
        distributed.wait_for_all()
        workers = default_workers(device) if experiment.workers is None else experiment.workers
        runs = [run for run in experiment.runs if run.start == "scratch" or gap is None]
        for run in runs:
            folder = experiment.output / run.name
            if read_metrics(folder) is None:
                train_run(
                    run,
                    parts.without(run.left_out) if run.left_out else parts,
                    weights.get(run.architecture) if run.start == "pretrained" else None,
                    folder,
                    device,
                    workers,
                    experiment.resume,
                    experiment.compiled,
                    experiment.teacher,
                )
            distributed.wait_for_all()
            if experiment.study == "leave-one-out":
                evaluate_left_out(run, parts, folder, device)
        if distributed.is_writer():
            write_experiment_report(
                experiment.output,
                [read_finished_run(experiment.output / run.name) for run in runs],
                study=experiment.study,
                remarks=parts.remarks,
                gap=gap,
                command=experiment.command,
            )


def default_workers(device: torch.device) -> int:
    """Number of data-loading processes: none on a CPU, up to 8 per GPU if there are the cores."""
    if device.type != "cuda":
        return 0
    return max(1, min(8, int(cpu_count()) // distributed.processes_here()))


def _check_processes(experiment: Experiment) -> None:
    if experiment.workers is not None and experiment.workers < 0:
        raise SettingsError(f"--workers is {experiment.workers}: it must be 0 or more")
    count = distributed.processes()
    for run in experiment.runs:
        if run.batch_size % count:
            raise SettingsError(
                f"--batch-size {run.batch_size} cannot be divided among {count} processes: give a "
                f"multiple of {count}"
            )


def _check_output(experiment: Experiment) -> None:
    output = experiment.output
    if experiment.resume:
        remove_unfinished(output)
    holds_run = (output / SETTINGS_FILE).exists()
    if holds_run and not experiment.resume:
        raise SettingsError(
            f"{output} already holds a run: continue it with --resume, or name another --output"
        )
    if not holds_run and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise SettingsError(f"{output} is not an empty folder: name another --output")


def _claim_output(
    experiment: Experiment, parts: SplitData, weights: Mapping[str, InitialWeights], gap: str | None
) -> None:
    """Write ``settings.json``, and refuse to resume with other settings.

    Weights that were missing before are no change: the runs that need them are trained now.
    """
    now = {
        "study": experiment.study,
        "data": parts.source.fingerprint,
        "photographs": parts.sha256,
        "initial weights": {name: each.sha256 for name, each in weights.items()},
        "runs": {run.name: run.to_json() for run in experiment.runs},
        "remarks": list(parts.remarks),
        "gap": gap,
    }
    before = read_settings(experiment.output)
    changed = set() if before is None else _changed(before, now)
    if changed:
        raise SettingsError(
            f"{experiment.output} holds a run with other settings (they differ in "
            f"{', '.join(sorted(changed))}): resume with the same settings, or name another "
            "--output"
        )
    if before != now:
        write_json(experiment.output / SETTINGS_FILE, now)


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    changed = {key for key in ("study", "data", "photographs") if before.get(key) != now[key]}
    if "data" in changed:
        changed.discard("photographs")
    runs_before, weights_before = (before.get(key) or {} for key in ("runs", "initial weights"))
    changed |= {
        name
        for name in runs_before.keys() | now["runs"].keys()
        if runs_before.get(name) != now["runs"].get(name)
    }
    if any(now["initial weights"].get(name) != sha for name, sha in weights_before.items()):
        changed.add("initial weights")
    return changed


def _initial_weights(experiment: Experiment) -> tuple[dict[str, InitialWeights], str | None]:
    """The weights of the pretrained runs, and why they are missing if that is no error."""
    wanted = [run.architecture for run in experiment.runs if run.start == "pretrained"]
    try:
        return resolve_pretrained(wanted, experiment.pretrained) if wanted else {}, None
    except WeightsError as error:
        if experiment.needs_pretrained:
            raise
        return {}, str(error)


def _say(sentence: str) -> None:
    if distributed.is_writer():
        print(sentence, file=sys.stderr)
