"""Triage against bare forward passes in the batch size that is quickest, and its memory.

The rate: drawn photographs are triaged in portions; between two portions the same network answers
ready batches of several sizes, float32, on the same threads; medians. The memory: `retina triage`
on folders of more and more files, each run in a process of its own. A folder's files are links to
a few drawn photographs. Random weights.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks._apart import apart
from benchmarks._turns import bare_forward, medians
from retina.cli import main as retina
from retina.datasets.synthetic import synthetic_catalog
from retina.images.prepare import Preprocessing
from retina.inference.grader import Grader
from retina.inference.sources import photographs_in
from retina.inference.triage import triage
from retina.models.architectures import build
from retina.models.checkpoint import save_checkpoint
from retina.models.config import CheckpointConfig, DataSource

BATCHES = (1, 2, 4, 8, 16, 32)
FEW, FEW_SIDE = 20, 128


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks triage")
    parser.add_argument("--data", type=Path, metavar="DIR", help="photographs; drawn by default")
    parser.add_argument("--pictures", type=int, default=500, help="drawn photographs")
    parser.add_argument("--width", type=int, default=512, help="of those, in pixels")
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[224, 512])
    parser.add_argument("--turns", type=int, default=5, help="portions; 0: only the memory")
    parser.add_argument("--files", nargs="*", type=int, default=[100, 1000])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if options.turns:
            place = options.data or drawn_folder(options.pictures, options.width)
            for name in options.models:
                for size in options.sizes:
                    _rate(place, random_checkpoint(Path(folder), name, size), options.turns)
        if options.files:
            _memory(Path(folder), options.files)
    return 0


def random_checkpoint(folder: Path, name: str, size: int) -> Path:
    """A checkpoint of a network that has learned nothing."""
    config = CheckpointConfig(
        name, name, Preprocessing(size=size), DataSource("none", 0, "", "none")
    )
    place = folder / f"{name}-{size}"
    save_checkpoint(place, build(name), config)
    return place


def drawn_folder(count: int, height: int) -> Path:
    """Drawn photographs, kept in the user's cache folder."""
    return synthetic_catalog(count=count, size=height).root / "images"


def link_photographs(folder: Path, count: int, drawn: Path) -> Path:
    """A folder of ``count`` files that are links to the photographs in ``drawn``."""
    folder.mkdir()
    pictures = sorted(drawn.iterdir())
    for number in range(count):
        os.link(pictures[number % len(pictures)], folder / f"{number:06d}.jpg")
    return folder


def run_retina(*arguments: object) -> None:
    """As ``python -m retina`` with these arguments.

    Raises:
        RuntimeError: It did not end well.
    """
    if status := retina([str(argument) for argument in arguments]):
        raise RuntimeError(f"retina ended with {status}")


def _rate(place: Path, checkpoint: Path, turns: int) -> None:
    grader = Grader.load(checkpoint)
    size = grader.checkpoint.config.preprocessing.size
    sources = photographs_in(place).sources
    batches = {
        count: torch.randn(count, 3, size, size).to(memory_format=torch.channels_last)
        for count in BATCHES
    }
    passes = {str(n): partial(bare_forward, grader.model, batch) for n, batch in batches.items()}
    list(triage(grader, sources[:16]))
    rates: list[float] = []
    bare: dict[int, list[float]] = {count: [] for count in BATCHES}
    graded = 0
    for turn in range(turns):
        for name, seconds in medians(passes, 1).items():
            bare[int(name)].append(int(name) / seconds)
        portion = sources[turn::turns]
        began = time.perf_counter()
        rows = list(triage(grader, portion))
        rates.append(len(portion) / (time.perf_counter() - began))
        graded += sum(row["grade"] is not None for row in rows)
    bare_rates = {count: statistics.median(each) for count, each in bare.items()}
    best = max(bare_rates, key=bare_rates.__getitem__)
    rate = statistics.median(rates)
    print(f"{checkpoint.name}, {torch.get_num_threads()} threads")
    print(f"  {graded} of {len(sources)} photographs passed the gate")
    for count, each in bare_rates.items():
        print(f"  {f'bare, batches of {count}':<24}{each:>10.1f} pictures/s{each / rate:>9.2f}")
    print(f"  {'triage':<24}{rate:>10.1f} pictures/s{1:>9.2f}")
    print(f"  triage / bare, batches of {best}: {rate / bare_rates[best]:.1%}")


def _memory(folder: Path, counts: Sequence[int]) -> None:
    checkpoint = random_checkpoint(folder, "resnet18", 64)
    drawn = drawn_folder(FEW, FEW_SIDE)
    print(f"retina triage, files that are links to {FEW} drawn of {FEW_SIDE} px; resnet18, 64 px")
    for count in counts:
        place = link_photographs(folder / str(count), count, drawn)
        output = folder / f"{count}.csv"
        flags = ("--checkpoints", folder, "--model", checkpoint.name, "--output", output)
        cost = apart(run_retina, "triage", place, *flags)
        rows = sum(1 for _ in output.open(encoding="utf-8")) - 1
        print(f"  {count:>7} files, {rows} rows{cost.seconds:>9.1f} s{cost.memory:>8.0f} MiB")
