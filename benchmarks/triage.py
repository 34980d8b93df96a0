"""Triage, with either engine, against bare forward passes in the batch size that is quickest.

Drawn photographs are triaged in portions; between two portions the network as trained computes
batches of several sizes in PyTorch, and so does the engine, if it is another. Random weights,
float32, the same threads; medians. ``growth`` measures the memory.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

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
from retina.models.engines import Engine

BATCHES = (1, 4, 16)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks triage")
    parser.add_argument("--data", type=Path, metavar="DIR", help="photographs; drawn by default")
    parser.add_argument("--pictures", type=int, default=500, help="drawn photographs")
    parser.add_argument("--width", type=int, default=512, help="of those, in pixels")
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[224, 512])
    parser.add_argument("--engines", nargs="+", default=["torch", "onnxruntime"])
    parser.add_argument("--turns", type=int, default=5, help="portions")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        place = options.data or drawn_folder(options.pictures, options.width)
        for name in options.models:
            for size in options.sizes:
                checkpoint = random_checkpoint(Path(folder), name, size)
                for engine in options.engines:
                    _rate(place, checkpoint, engine, options.turns)
    return 0


def random_checkpoint(folder: Path, name: str, size: int) -> Path:
    """Save a checkpoint with random weights."""
    config = CheckpointConfig(
        name, name, Preprocessing(size=size), DataSource("none", 0, "", "none")
    )
    place = folder / f"{name}-{size}"
    save_checkpoint(place, build(name), config)
    return place


def drawn_folder(count: int, height: int) -> Path:
    """Draw photographs, or find them in the cache folder of the user."""
    return synthetic_catalog(count=count, size=height).root / "images"


def run_retina(*arguments: object) -> None:
    """Run ``python -m retina`` with these arguments.

    Raises:
        RuntimeError: Its exit status is not 0.
    """
    if status := retina([str(argument) for argument in arguments]):
        raise RuntimeError(f"retina ended with {status}")


def _rate(place: Path, checkpoint: Path, engine: Engine, turns: int) -> None:
    grader = Grader.load(checkpoint, engine=engine)
    size = grader.checkpoint.config.preprocessing.size
    sources = photographs_in(place).sources
    networks = {"PyTorch": grader.model}
    if engine != "torch":
        networks[engine] = grader.network
    passes = {}
    for count in BATCHES:
        batch = torch.randn(count, 3, size, size)
        for name, network in networks.items():
            passes[name, count] = partial(bare_forward, network, batch)
    list(triage(grader, sources[:16]))
    rates: list[float] = []
    bare: dict[tuple[str, int], list[float]] = {each: [] for each in passes}
    graded = 0
    for turn in range(turns):
        for each, seconds in medians(passes, 1).items():
            bare[each].append(each[1] / seconds)
        portion = sources[turn::turns]
        began = time.perf_counter()
        rows = list(triage(grader, portion))
        rates.append(len(portion) / (time.perf_counter() - began))
        graded += sum(row["grade"] is not None for row in rows)
    rate = statistics.median(rates)
    print(f"{checkpoint.name}, --engine {engine}, {torch.get_num_threads()} threads")
    print(f"  {graded} of {len(sources)} photographs passed the gate")
    print(f"  {'triage':<34}{rate:>10.1f} pictures/s")
    for name in networks:
        bare_rates = {count: statistics.median(bare[name, count]) for count in BATCHES}
        for count, bare_rate in bare_rates.items():
            print(f"  {f'bare in {name}, batches of {count}':<34}{bare_rate:>10.1f} pictures/s")
        print(f"  triage / the quickest of these: {rate / max(bare_rates.values()):.1%}")
