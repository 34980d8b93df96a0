"""Training throughput against a plain loop on torchvision's network, and against timm.

Ours: ``Trainer`` as ``train.py`` runs it, on cached photographs. The plain loop: photographs opened
with Pillow and resized, torchvision's transforms with the lab's augmentation, torchvision's network
in the default memory layout, the same optimizer. timm, if installed: its network, optimizer and
loader, with a worker per core, as its training script (which is in no package) sets them up by
default, with its own augmentation. All compute in float32, on the same photographs, each in its own
process, in turns; medians are compared.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch.utils.data import Dataset
from torchvision.transforms import v2

from benchmarks._apart import side
from retina.devices import choose_device
from retina.models.architectures import build
from retina.process import keep_freed_memory
from retina.training.augmentation import LabAugmentation
from retina.training.data import read_split_data
from retina.training.settings import LAB, MOMENTUM, RunSettings
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
    count, device = options.steps * options.batch_size, options.device
    turns: dict[str, list[Turn]] = {name: [] for name in SIDES}
    if not find_spec("timm"):
        print("timm is not installed")
        del turns["timm"]
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(side(SIDES[name], options.data, settings, count, device))
            for name in turns
        }
        for number in range(1 + options.turns):
            for name, turn in sides.items():
                seconds_and_waiting = turn()
                if number:  # The first is a warm-up.
                    turns[name].append(seconds_and_waiting)
    print(f"{options.model}, {options.image_size} px, batch {options.batch_size}, {options.device}")
    print(f"{'':<14}{'pictures/s':>12}{'waiting for data':>20}{'retina to it':>16}")
    rates = {
        name: statistics.median(count / seconds for seconds, _ in each)
        for name, each in turns.items()
    }
    for name, rate in rates.items():
        waiting = statistics.median(waiting / seconds for seconds, waiting in turns[name])
        print(f"{name:<14}{rate:>12.1f}{waiting:>20.1%}{rates['retina'] / rate:>16.2f}")
    return 0


Turn = tuple[float, float]
"""Seconds, and seconds of them spent waiting for data."""


def _ours(data: str, settings: RunSettings, count: int, device_name: str) -> Iterator[Turn]:
    device = choose_device(device_name)
    if device.type == "cpu":
        keep_freed_memory()
    parts = read_split_data([data], seed=0)
    preprocessing = parts.preprocessing(settings.image_size)
    training = parts.dataset("train", preprocessing, LabAugmentation())
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
    rows = read_split_data([data], seed=0).rows("train").head(count)
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
        model.parameters(), settings.lr, momentum=MOMENTUM, weight_decay=LAB.weight_decay
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
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
        yield time.monotonic() - began, waiting


class _Raw(Dataset[tuple[torch.Tensor, int]]):
    """Images opened with Pillow; timm sets ``transform``."""

    def __init__(self, paths: list[str], grades: list[int]) -> None:
        self.paths, self.grades = paths, grades
        self.transform: Callable[[Image.Image], torch.Tensor] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        assert self.transform is not None
        picture = Image.open(self.paths[place]).convert("RGB")
        return self.transform(picture), self.grades[place]


def _timm(data: str, settings: RunSettings, count: int, device_name: str) -> Iterator[Turn]:
    import timm
    from timm.data import create_loader
    from timm.optim import create_optimizer_v2

    device = choose_device(device_name)
    rows = read_split_data([data], seed=0).rows("train").head(count)
    loader = create_loader(
        _Raw(rows["path"].tolist(), rows["grade"].tolist()),
        settings.image_size,
        settings.batch_size,
        is_training=True,
        interpolation="random",
        num_workers=os.cpu_count() or 1,
        device=device,
    )
    model = timm.create_model(settings.architecture, num_classes=5).to(device)
    optimizer = create_optimizer_v2(
        model, "sgd", lr=settings.lr, momentum=MOMENTUM, weight_decay=LAB.weight_decay
    )
    model.train()
    while True:
        began, waiting = time.monotonic(), 0.0
        batches = iter(loader)
        for _ in range(len(loader)):
            mark = time.monotonic()
            pictures, grades = next(batches)
            waiting += time.monotonic() - mark
            loss = F.cross_entropy(model(pictures), grades)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
        yield time.monotonic() - began, waiting


SIDES: dict[str, Callable[..., Iterator[Turn]]] = {
    "retina": _ours,
    "plain loop": _plain,
    "timm": _timm,
}
