"""``retina models``: list the models."""

import argparse
import json
import sys

from retina.cli.exit_status import DONE, USER, say
from retina.cli.flags import add_checkpoints
from retina.reporting.formatting import number

HELP = "List the models."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_checkpoints(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(options: argparse.Namespace) -> int:
    """Print the models without loading them; one that is broken does not hide the rest."""
    from retina.files import TRAIN
    from retina.models.checkpoint_folder import (
        checkpoints_folder,
        describe_checkpoints,
        unusable_checkpoints,
    )

    broken = unusable_checkpoints(options.checkpoints)
    for reason in broken.values():
        say(reason)
    status = USER if broken else DONE
    descriptions = describe_checkpoints(options.checkpoints)
    if options.json:
        json.dump(descriptions, sys.stdout, indent=2, allow_nan=False)
        print()
        return status
    if not descriptions and not broken:
        folder = checkpoints_folder(options.checkpoints)
        print(
            f"there is no model in {folder}: train one with `{TRAIN}`, or name another folder with "
            "--checkpoints",
            file=sys.stderr,
        )
    for each in descriptions:
        metrics = each["metrics"] or {}
        kappa = number(metrics.get("quadratic_weighted_kappa"))
        print(
            f"{each['name']:<32}{each['architecture']:<18}{each['image_size']:>5} px  "
            f"started from {each['initial_weights']['source']}, "
            f"test kappa {'unknown' if kappa is None else format(kappa, '.3f')}"
        )
    return status
