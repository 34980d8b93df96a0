"""``train.py`` and ``retina train``."""

import argparse
import datetime
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from retina.cli.exit_status import DONE
from retina.cli.flags import add_device
from retina.errors import SettingsError

if TYPE_CHECKING:
    from retina.reporting.runs import Study
    from retina.training.settings import Start

HELP = "Train and compare ResNet-18 and ResNet-50, from random and from pretrained weights."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add(
        "--scratch",
        action="store_true",
        help="train from random weights (default: from both random and pretrained weights)",
    )
    add(
        "--pretrained",
        nargs="?",
        const="",
        metavar="PATH",
        help="train from ImageNet weights; PATH: weights file, or folder of them",
    )
    add(
        "--model",
        action="append",
        metavar="NAME",
        help="architecture; repeatable (default: resnet18 and resnet50, or one of them in a study)",
    )
    add(
        "--data",
        action="append",
        metavar="DIR|synthetic",
        help="data folder; repeatable: each is a source, such as a hospital (default: data)",
    )
    add(
        "--recipe",
        default="lab",
        metavar="lab|modern",
        help="optimizer, schedule and augmentation (default: lab)",
    )
    add(
        "--epochs",
        type=int,
        metavar="N",
        help="number of epochs (default: 10; 20 with --ablation)",
    )
    add(
        "--batch-size",
        type=int,
        default=32,
        metavar="N",
        help="photographs per step, over all processes (default: 32)",
    )
    add("--lr", type=float, help="peak learning rate (default: 0.001; modern: 0.0004)")
    add(
        "--image-size",
        type=int,
        default=512,
        metavar="PIXELS",
        help="side of the square (default: 512)",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the split, initial weights, order and augmentation (default: 0)",
    )
    add(
        "--sampling",
        metavar="NAME",
        help="sampling of the grades: none, over, under, balanced or sqrt (default: none; modern: "
        "sqrt)",
    )
    add(
        "--loss",
        default="cross-entropy",
        metavar="NAME",
        help="cross-entropy, weighted, focal, ordinal or expected-grade (default: cross-entropy)",
    )
    add(
        "--teacher",
        metavar="NAME|DIR",
        help="checkpoint whose predictions are a second target (default: none)",
    )
    add(
        "--sensitivity",
        type=float,
        default=0.9,
        metavar="SHARE",
        help="lowest sensitivity to referable disease on validation, which sets the operating "
        "point (default: 0.9)",
    )
    add_device(parser)
    add(
        "--amp",
        default="auto",
        metavar="MODE",
        help="mixed precision: auto, off, float16 or bfloat16 (default: auto)",
    )
    add("--compile", action="store_true", help="compile the network with torch.compile")
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes that load data (default: 0 on a CPU, up to 8 on a GPU)",
    )
    studies = parser.add_mutually_exclusive_group()
    studies.add_argument(
        "--ablation",
        action="store_true",
        help="train one model with augmentation and normalisation, with either, and with neither",
    )
    studies.add_argument(
        "--imbalance-study",
        action="store_true",
        help="train one model with each sampling and with each loss",
    )
    studies.add_argument(
        "--leave-one-out",
        action="store_true",
        help="for each source, train on all others and test on it",
    )
    studies.add_argument(
        "--report",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="train nothing, compare finished runs: the folder of a run, or a whole --output",
    )
    add("--output", type=Path, metavar="DIR", help="output folder (default: runs/DATE)")
    add(
        "--allow-leaks",
        action="store_true",
        help="accept a given split that has patients in both the test split and another",
    )
    add("--resume", action="store_true", help="continue the training in --output")


def run(options: argparse.Namespace) -> int:
    """Train, or report on finished runs."""
    output = options.output or Path("runs") / f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}"
    program = ["python", "train.py"] if Path(sys.argv[0]).name == "train.py" else ["retina"]
    command = shlex.join([*program, *sys.argv[1:]])
    if options.resume and options.output is None:
        raise SettingsError("--resume continues what is in a folder: name it with --output")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and options.output is None:
        raise SettingsError("several processes need a common output folder: name it with --output")
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
            f"{output} holds files that are no report: name an empty folder with --output"
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
        print(f"to continue, use the same flags with --output {output} --resume", file=sys.stderr)
        raise
