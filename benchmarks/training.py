"""Training throughput against a plain loop on torchvision's network.

Ours: ``Trainer`` as ``train.py`` runs it, reading from the prepared cache. The plain loop: the raw
pictures opened with Pillow in the loop and resized, torchvision's transforms with
the lab's augmentation, torchvision's network in the default memory layout, the same optimizer.
Both compute in float32, on the same pictures, each in a process of its own, in turns; the median
of each is compared.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torchvision.transforms import v2

from retina.devices import choose_device, keep_freed_memory
from retina.models.architectures import build
from retina.training.config import RunSettings
from retina.training.parts import read_parts
from retina.training.recipes import LAB, MOMENTUM, WEIGHT_DECAY
from retina.training.trainer import Trainer


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks training")
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--model", default="resnet18", choices=("resnet18", "resnet50"))
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6, help="a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)

    settings = RunSettings(
        architecture=options.model,
        start="scratch",
        image_size=options.image_size,
        batch_size=options.batch_size,
        amp="off",
    )
    count = options.steps * options.batch_size
    arguments_of_both = (options.data, settings, count, options.device)
    with _process(_ours, *arguments_of_both) as ours, _process(_plain, *arguments_of_both) as plain:
        ours(), plain()
        turns = [(ours(), plain()) for _ in range(options.turns)]
    ours_rate = statistics.median(count / seconds for (seconds, _), _ in turns)
    plain_rate = statistics.median(count / seconds for _, (seconds, _) in turns)
    print(f"{options.model}, {options.image_size} px, batch {options.batch_size}, {options.device}")
    print(f"{'':<14}{'pictures/s':>12}{'waiting for data':>20}")
    for name, rate, side in (("plain loop", plain_rate, 1), ("retina", ours_rate, 0)):
        waiting = statistics.median(turn[side][1] / turn[side][0] for turn in turns)
        print(f"{name:<14}{rate:>12.1f}{waiting:>20.1%}")
    print(f"retina / plain loop: {ours_rate / plain_rate:.2f}")
    return 0


Turn = tuple[float, float]
"""Seconds, and those of them spent waiting for data."""


@contextmanager
def _process(
    side: Callable[[str, RunSettings, int, str], Iterator[Turn]], *arguments: object
) -> Iterator[Callable[[], Turn]]:
    """A side in a process of its own; a call lets it take a turn."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_take_turns, args=(there, side, *arguments), daemon=True)
    process.start()

    def turn() -> Turn:
        here.send(None)
        seconds, waiting = here.recv()
        return seconds, waiting

    yield turn
    process.terminate()


def _take_turns(there: Connection, side: Callable[..., Iterator[Turn]], *arguments: object) -> None:
    turns = side(*arguments)
    while True:
        there.recv()
        there.send(next(turns))


def _ours(data: str, settings: RunSettings, count: int, device_name: str) -> Iterator[Turn]:
    device = choose_device(device_name)
    if device.type == "cpu":
        keep_freed_memory()
    parts = read_parts(data, seed=0)
    preprocessing = parts.preprocessing(settings.image_size)
    training = parts.dataset("train", preprocessing, LAB.augmentation)
    training.paths, training.grades = training.paths[:count], training.grades[:count]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            settings, build(settings.architecture), training, training, Path(folder), device
        )
        while True:
            trainer.progress.begin_epoch(trainer.progress.epoch + 1)
            trainer._train_epoch(lambda: False)
            yield trainer.progress.seconds, trainer.progress.waiting


def _plain(data: str, settings: RunSettings, count: int, device_name: str) -> Iterator[Turn]:
    device = choose_device(device_name)
    rows = read_parts(data, seed=0).rows("train").head(count)
    paths, grades = rows["path"].tolist(), rows["grade"].tolist()
    transform = v2.Compose(
        [
            v2.Resize((settings.image_size, settings.image_size)),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomRotation(90, interpolation=v2.InterpolationMode.BILINEAR),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.3749, 0.2602, 0.1857], [0.2526, 0.1780, 0.1291]),
        ]
    )
    model = torchvision.models.get_model(settings.architecture, num_classes=5).to(device)
    optimizer = torch.optim.SGD(
        model.parameters(), settings.lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    model.train()
    while True:
        began, waiting = time.monotonic(), 0.0
        for first in range(0, count, settings.batch_size):
            mark = time.monotonic()
            chosen = slice(first, first + settings.batch_size)
            pictures = torch.stack(
                [transform(Image.open(path).convert("RGB")) for path in paths[chosen]]
            )
            waiting += time.monotonic() - mark
            loss = F.cross_entropy(
                model(pictures.to(device)), torch.tensor(grades[chosen], device=device)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        yield time.monotonic() - began, waiting
