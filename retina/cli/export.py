"""``retina export``: a model as one ONNX file."""

import argparse
from pathlib import Path

from retina.cli.exit_status import DONE

HELP = "Write a model as an ONNX file, with all that is needed to use it rightly."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--model", required=True, metavar="NAME", help="as `retina models` lists them")
    add("--output", required=True, type=Path, metavar="FILE.onnx", help="the file to write")
    add("--checkpoints", type=Path, metavar="DIR", help="the folder that holds the models")


def run(options: argparse.Namespace) -> int:
    """Write the file and say how large it is."""
    from retina.models.checkpoint import load_checkpoint
    from retina.models.export import export_onnx

    export_onnx(load_checkpoint(options.model, options.checkpoints), options.output)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:,.1f} MB")
    return DONE
