"""Ship a run: copy its checkpoint, evaluate the copy, and write its model card.

python scripts/ship.py runs/DATE/NAME --data DIR --data DIR2 --elsewhere messidor2=DIR3
python scripts/ship.py checkpoints/NAME                   # only write the card again
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from retina.models.checkpoint_folder import EVALUATIONS, METRICS_FILE
from retina.models.config import (
    CONFIG_FILE,
    HISTORY_FILE,
    PREDICTIONS_FILE,
    SPLIT_FILE,
    WEIGHTS_FILE,
)
from retina.reporting.model_card import write_model_card

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = (CONFIG_FILE, WEIGHTS_FILE, HISTORY_FILE, SPLIT_FILE)


def main() -> None:
    """Ship the checkpoint that the command line names."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    add = parser.add_argument
    add("folder", type=Path, help="checkpoint of a run, or a shipped one")
    add("--checkpoints", type=Path, default=ROOT / "checkpoints", metavar="DIR")
    add(
        "--data",
        action="append",
        default=[],
        metavar="DIR",
        help="data folder that it was trained on, to evaluate on its test split; repeatable",
    )
    add(
        "--elsewhere",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="evaluate on another data set; repeatable",
    )
    add("--patients", action="append", default=[], metavar="NAME=DIR", help="the same, by patient")
    options = parser.parse_args()
    target = options.checkpoints / options.folder.name
    if target.resolve() != options.folder.resolve():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in filter(lambda name: (options.folder / name).exists(), SHIPPED):
            shutil.copyfile(options.folder / name, target / name)
    if options.data:
        predictions = ["--predictions", str(target / PREDICTIONS_FILE)]
        evaluate(target, options.data, target / METRICS_FILE, *predictions)
    for sets, flags in ((options.elsewhere, ()), (options.patients, ("--by-patient",))):
        for each in sets:
            name, _, data = each.partition("=")
            (target / EVALUATIONS).mkdir(exist_ok=True)
            figures = target / EVALUATIONS / f"{name}.json"
            evaluate(target, [data], figures, "--split", "all", *flags)
    write_model_card(target)


def evaluate(checkpoint: Path, data: list[str], figures: Path, *flags: str) -> None:
    """Save the output of ``retina evaluate --json``."""
    command = [sys.executable, "-m", "retina", "evaluate", "--model", checkpoint.name]
    command += ["--checkpoints", str(checkpoint.parent), "--json", *flags]
    for folder in data:
        command += ["--data", folder]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    figures.write_bytes(answer.stdout)


if __name__ == "__main__":
    main()
