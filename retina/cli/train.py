"""``train.py`` and ``retina train``."""

import argparse
import datetime
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from retina.cli.exit_status import DONE
from retina.errors import SettingsError

if TYPE_CHECKING:
    from retina.reporting.runs import Study
    from retina.training.settings import Start

HELP = "Train and compare ResNet-18 and ResNet-50, from scratch and pretrained."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--scratch", action="store_true", help="the half from random weights")
    add(
        "--pretrained",
        nargs="?",
        const="",
        metavar="PATH",
        help="the half from ImageNet weights; PATH: a weights file, or a folder of them",
    )
    add("--model", action="append", metavar="NAME", help="repeatable; both ResNets without it")
    add(
        "--data",
        action="append",
        metavar="DIR|synthetic",
        help="the photographs (data); repeatable: several hospitals, each a source of its own",
    )
    add("--recipe", default="lab", metavar="lab|modern", help="how to train (lab)")
    add("--epochs", type=int, help="passes over the training part (10; 20 for --ablation)")
    add("--batch-size", type=int, default=32, help="photographs a step (32)")
    add("--lr", type=float, help="learning rate at its highest (0.001; modern: 0.0004)")
    add("--image-size", type=int, default=512, help="side of the square in pixels (512)")
    add("--seed", type=int, default=0, help="of split, weights, order and augmentation (0)")
    add("--sampling", help="none, over, under, balanced or sqrt (none; modern: sqrt)")
    add(
        "--loss",
        default="cross-entropy",
        help="cross-entropy, weighted, focal, ordinal or expected-grade (cross-entropy)",
    )
    add(
        "--teacher",
        metavar="NAME|DIR",
        help="a checkpoint whose answers are a second target (none)",
    )
    add(
        "--sensitivity",
        type=float,
        default=0.9,
        help="for referable disease, that the operating point must have on validation (0.9)",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (auto)")
    add("--amp", default="auto", help="auto, off, float16 or bfloat16 (auto)")
    add("--compile", action="store_true", help="compile the network first")
    add("--workers", type=int, help="processes that prepare batches")
    studies = parser.add_mutually_exclusive_group()
    studies.add_argument(
        "--ablation",
        action="store_true",
        help="one model with augmentation and normalisation, each alone, and neither",
    )
    studies.add_argument(
        "--imbalance-study",
        action="store_true",
        help="one model with one sampling or one loss changed at a time",
    )
    studies.add_argument(
        "--leave-one-out",
        action="store_true",
        help="train on all sources but one in turn, and test on the one left out",
    )
    studies.add_argument(
        "--report",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="train nothing: compare runs that exist, each a run's folder or a whole --output",
    )
    add("--output", type=Path, metavar="DIR", help="where all is written (runs/DATE)")
    add(
        "--allow-leaks",
        action="store_true",
        help="train also on a given split that has patients in the test part and in another",
    )
    add("--resume", action="store_true", help="go on with what lies in --output")


def run(options: argparse.Namespace) -> int:
    """Train what the flags ask for, or report on what was trained."""
    output = options.output or Path("runs") / f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}"
    program = ["python", "train.py"] if Path(sys.argv[0]).name == "train.py" else ["retina"]
    command = shlex.join([*program, *sys.argv[1:]])
    if options.resume and options.output is None:
        raise SettingsError("--resume goes on with what lies in a folder: name it with --output")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and options.output is None:
        raise SettingsError("several processes write to one folder: name it with --output")
    if options.report:
        _report(options.report, output, command)
    else:
        _train(options, output, command)
    if os.environ.get("RANK", "0") == "0":  # of the processes that torchrun started, the writer
        print((output / "comparison.csv").read_text(encoding="utf-8"), end="")
        print(output)
    return DONE


def _report(folders: list[Path], output: Path, command: str) -> None:
    from retina.reporting.experiment_report import write_experiment_report
    from retina.reporting.runs import finished_runs, study_record

    if output.exists() and not (output / "comparison.csv").exists() and any(output.iterdir()):
        raise SettingsError(
            f"{output} holds other files than a report: name an empty folder with --output"
        )
    runs = finished_runs(folders)
    record = study_record(runs)
    write_experiment_report(
        output,
        runs,
        study=record.study,
        remarks=record.remarks,
        gap=record.gap,
        command=command,
    )


def _train(options: argparse.Namespace, output: Path, command: str) -> None:
    from retina.training.experiment import DEFAULT_EPOCHS, Experiment, plan, run_experiment
    from retina.training.settings import (
        LEARNING_RATES,
        RECIPE_SAMPLINGS,
        RunSettings,
        TeacherSettings,
    )
    from retina.training.teacher import load_teacher

    study: Study = "comparison"
    if options.ablation:
        study = "ablation"
    elif options.imbalance_study:
        study = "imbalance"
    elif options.leave_one_out:
        study = "leave-one-out"
    starts: list[Start] = []
    if options.scratch:
        starts.append("scratch")
    if options.pretrained is not None:
        starts.append("pretrained")
    teacher = load_teacher(options.teacher) if options.teacher else None
    common = RunSettings(
        architecture="resnet18",
        start="scratch",
        recipe=options.recipe,
        epochs=DEFAULT_EPOCHS[study] if options.epochs is None else options.epochs,
        batch_size=options.batch_size,
        lr=LEARNING_RATES.get(options.recipe, 0.001) if options.lr is None else options.lr,
        image_size=options.image_size,
        seed=options.seed,
        sampling=options.sampling or RECIPE_SAMPLINGS.get(options.recipe, "none"),
        loss=options.loss,
        amp=options.amp,
        sensitivity=options.sensitivity,
        teacher=TeacherSettings(teacher.name, teacher.config.weights_sha256) if teacher else None,
    )
    try:
        run_experiment(
            Experiment(
                study=study,
                runs=plan(study, options.model or (), starts, common),
                data=tuple(options.data or ["data"]),
                output=output,
                pretrained=Path(options.pretrained) if options.pretrained else None,
                needs_pretrained=options.pretrained is not None or study == "ablation",
                device=options.device,
                workers=options.workers,
                compiled=options.compile,
                resume=options.resume,
                teacher=teacher,
                allow_leaks=options.allow_leaks,
                command=command,
            )
        )
    except KeyboardInterrupt:
        print(f"go on with the same flags, --output {output} and --resume", file=sys.stderr)
        raise
