"""The flags that several commands share."""

import argparse
from pathlib import Path


def add_checkpoints(parser: argparse.ArgumentParser) -> None:
    """Declare ``--checkpoints``."""
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="folder of models (default: $RETINA_CHECKPOINTS, else checkpoints)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declare ``--model`` and ``--checkpoints``."""
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="name of a model; `retina models` lists them"
    )
    add_checkpoints(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declare ``--device``."""
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)"
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Declare ``--engine``."""
    parser.add_argument(
        "--engine",
        choices=("torch", "onnxruntime"),
        default="torch",
        help="inference backend (default: torch)",
    )


def add_by_patient(parser: argparse.ArgumentParser) -> None:
    """Declare ``--by-patient``."""
    parser.add_argument(
        "--by-patient",
        action="store_true",
        help="count patients instead of photographs, each by their worst predicted grade",
    )


def add_folders(parser: argparse.ArgumentParser, kind: type) -> None:
    """Declare data folders, as positional arguments or by ``--data``."""
    parser.add_argument(
        "folders", metavar="DIR", type=kind, nargs="*", help="data folder: photographs and labels"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=kind,
        action="append",
        default=[],
        help="the same as DIR",
    )
