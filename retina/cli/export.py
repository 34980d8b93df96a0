"""``retina export``: export a model as an ONNX file."""

import argparse
from pathlib import Path

from retina.cli.exit_status import DONE
from retina.cli.flags import add_model

HELP = "Export a model as an ONNX file, with its preprocessing and thresholds as metadata."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_model(parser)
    parser.add_argument(
        "--output", required=True, type=Path, metavar="FILE.onnx", help="file to write"
    )


def run(options: argparse.Namespace) -> int:
    """Write the file and print its size."""
    from retina.models.checkpoint import load_checkpoint
    from retina.models.export import export_onnx

    export_onnx(load_checkpoint(options.model, options.checkpoints), options.output)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:,.1f} MB")
    return DONE
