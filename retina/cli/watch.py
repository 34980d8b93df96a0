"""``retina watch``: what a camera drops in a folder joins a worklist."""

import argparse
import sys
import time
from pathlib import Path

from retina.cli.exit_status import DONE

HELP = "Grade what a camera drops in a folder, once each, into a worklist, until Ctrl-C."
SHORTEST, LONGEST = 0.1, 3600


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("place", type=Path, metavar="DIR", help="the folder, with the folders in it")
    add("--model", required=True, metavar="NAME", help="as `retina models` lists them")
    add("--output", required=True, type=Path, metavar="FILE", help="the worklist, as CSV")
    add("--every", type=float, default=5, metavar="SECONDS", help="between two looks (5)")
    add("--checkpoints", type=Path, metavar="DIR", help="the folder that holds the models")


def run(options: argparse.Namespace) -> int:
    """Look, grade and write until interrupted; a later run goes on where this one ended."""
    from retina.errors import SettingsError
    from retina.inference.grader import Grader
    from retina.inference.sources import in_folder
    from retina.inference.triage import watch
    from retina.inference.worklist import urgencies

    if not SHORTEST <= options.every <= LONGEST:
        raise SettingsError(f"--every takes {SHORTEST} to {LONGEST} seconds, not {options.every}")
    if not options.place.is_dir():
        raise SettingsError(f"{options.place} is no folder: name the one that the camera fills")
    grader = Grader.load(options.model, options.checkpoints)
    print(f"watching {options.place} with {grader.name}; Ctrl-C ends it", file=sys.stderr)
    if left_out := in_folder(options.place).left_out:
        print(left_out, file=sys.stderr)
    there = True
    for added in watch(grader, options.place, options.output):
        if there and added is None:
            print(f"{options.place} is not to be found; waiting for it", file=sys.stderr)
        there = added is not None
        if added:
            print(f"{len(added)} graded: {urgencies(added)}", file=sys.stderr)
        time.sleep(options.every)
    return DONE
