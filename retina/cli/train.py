"""``train.py`` and ``retina train``."""

import argparse
import datetime
import sys
from pathlib import Path

HELP = "Train and compare ResNet-18 and ResNet-50, from scratch and pretrained."
DEFAULT_MODELS = ("resnet18", "resnet50")


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
    add("--data", default="data", metavar="DIR|synthetic", help="the photographs (data)")
    add("--recipe", default="lab", help="lab (the default)")
    add("--epochs", type=int, default=10, help="passes over the training part (10)")
    add("--batch-size", type=int, default=32, help="photographs a step (32)")
    add("--lr", type=float, default=0.001, help="learning rate (0.001)")
    add("--image-size", type=int, default=512, help="side of the square in pixels (512)")
    add("--seed", type=int, default=0, help="of split, weights, order, augmentation (0)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (auto)")
    add("--workers", type=int, help="processes that prepare batches")
    add("--output", type=Path, metavar="DIR", help="where all is written (runs/DATE)")
    add("--resume", action="store_true", help="go on with what lies in --output")


def run(options: argparse.Namespace) -> int:
    """Train what the flags ask for."""
    from retina.training.config import RunSettings, Start
    from retina.training.experiment import Experiment, run_experiment

    both = not options.scratch and options.pretrained is None
    wanted: dict[Start, bool] = {
        "scratch": options.scratch or both,
        "pretrained": options.pretrained is not None or both,
    }
    runs = tuple(
        RunSettings(
            architecture=architecture,
            start=start,
            recipe=options.recipe,
            epochs=options.epochs,
            batch_size=options.batch_size,
            lr=options.lr,
            image_size=options.image_size,
            seed=options.seed,
        )
        for architecture in dict.fromkeys(options.model or DEFAULT_MODELS)
        for start, asked in wanted.items()
        if asked
    )
    output = options.output or Path("runs") / f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}"
    try:
        run_experiment(
            Experiment(
                runs=runs,
                data=options.data,
                output=output,
                pretrained=Path(options.pretrained) if options.pretrained else None,
                pretrained_wanted=options.pretrained is not None,
                device=options.device,
                workers=options.workers,
                resume=options.resume,
            )
        )
    except KeyboardInterrupt:
        print(f"go on with the same flags and --output {output} --resume", file=sys.stderr)
        raise
    print(output)
    return 0
