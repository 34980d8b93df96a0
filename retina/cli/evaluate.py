"""``retina evaluate``: how far a model can be trusted on a data folder."""

import argparse
import json
import sys
from pathlib import Path

from retina.cli.exits import DONE

HELP = "Evaluate a model on labelled photographs."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--model", required=True, metavar="NAME", help="as `retina models` lists them")
    add("--checkpoints", type=Path, metavar="DIR", help="the folder that holds the models")
    add("--data", required=True, metavar="DIR", help="a folder of photographs and their grades")
    add(
        "--split",
        choices=("train", "validation", "test", "all"),
        default="test",
        help="the part as the model's own split.csv has it (test), or all of the folder",
    )
    add("--predictions", type=Path, metavar="FILE", help="write every answer as CSV")
    add("--json", action="store_true", help="JSON instead of a table")
    add("--device", default="auto", help="auto, cpu, cuda ... (auto)")


def run(options: argparse.Namespace) -> int:
    """Grade the part and print its figures."""
    from retina.atomic import write_text
    from retina.datasets.cache import PreparedCache
    from retina.datasets.formats import read_folder
    from retina.devices import choose_device
    from retina.errors import SettingsError
    from retina.evaluation.evaluate import choose_rows, evaluate
    from retina.models.checkpoint import load_checkpoint

    if options.predictions and options.predictions.is_dir():
        raise SettingsError(f"--predictions {options.predictions} is a folder: name a file")
    checkpoint = load_checkpoint(options.model, options.checkpoints)
    device = choose_device(options.device)
    rows, warning = choose_rows(read_folder(options.data), checkpoint, options.split)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    evaluation = evaluate(checkpoint, rows, PreparedCache(), device)
    for picture in evaluation.unreadable:
        print(f"left out: {picture.reason}", file=sys.stderr)
    if options.predictions:
        write_text(options.predictions, evaluation.predictions.to_csv(index=False))
    if options.json:
        json.dump(evaluation.metrics, sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        print(_table(evaluation.metrics))
    return DONE


def _table(metrics: dict[str, object]) -> str:
    lines = []
    for name, value in metrics.items():
        if isinstance(value, dict) and "low" not in value:
            lines += [f"{name} {inner:<30}{_text(number)}" for inner, number in value.items()]
        elif name == "confusion_matrix" and isinstance(value, list):
            lines.append("confusion matrix, a row a true grade:")
            lines += ["".join(f"{count:>7}" for count in row) for row in value]
        elif isinstance(value, list):
            lines.append(f"{name:<40}" + "  ".join(_text(number) for number in value))
        else:
            lines.append(f"{name:<40}{_text(value)}")
    return "\n".join(lines)


def _text(value: object) -> str:
    if value is None:
        return "undefined"
    if isinstance(value, dict):
        return f"{value['value']:.4f} ({value['low']:.4f} to {value['high']:.4f})"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
