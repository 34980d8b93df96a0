"""``retina watch``: add new photographs in a folder to a worklist."""

import argparse
import sys
import time
from pathlib import Path

from retina.cli.exit_status import DONE
from retina.cli.flags import add_model

HELP = "Grade each photograph that appears in a folder into a worklist, until Ctrl-C."
SHORTEST, LONGEST = 0.1, 3600


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("place", type=Path, metavar="DIR", help="folder to watch, searched recursively")
    add_model(parser)
    add("--output", required=True, type=Path, metavar="FILE", help="worklist to write, as CSV")
    add(
        "--every",
        type=float,
        default=5,
        metavar="SECONDS",
        help="time between checks of the folder (default: 5)",
    )


def run(options: argparse.Namespace) -> int:
    """Check, grade and write until interrupted; a later run continues from there."""
    from retina.errors import SettingsError
    from retina.inference.grader import Grader
    from retina.inference.sources import in_folder
    from retina.inference.triage import watch
    from retina.inference.worklist import urgencies

    if not SHORTEST <= options.every <= LONGEST:
        raise SettingsError(
            f"--every is {options.every}: it must lie between {SHORTEST} and {LONGEST} seconds"
        )
    if not options.place.is_dir():
        raise SettingsError(
            f"{options.place} is not a folder: name the one that the camera writes to"
        )
    grader = Grader.load(options.model, options.checkpoints)
    print(f"watching {options.place} with {grader.name}; press Ctrl-C to stop", file=sys.stderr)
    if left_out := in_folder(options.place).left_out:
        print(left_out, file=sys.stderr)
    there = True
    for added in watch(grader, options.place, options.output):
        if there and added is None:
            print(f"{options.place} is missing; waiting for it to come back", file=sys.stderr)
        there = added is not None
        if added:
            print(f"{len(added)} graded: {urgencies(added)}", file=sys.stderr)
        time.sleep(options.every)
    return DONE
