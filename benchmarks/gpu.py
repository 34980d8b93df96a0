"""Training on a GPU, against the same steps without data loading.

Three rates, in turns: the trainer on photographs from the cache; the same steps on one batch that
is already on the device; and forward and backward passes alone, without optimizer, which is the
limit of the GPU with these kernels. Also the rate of a large matrix product in the same precision,
and the share of it that the trainer reaches.

    python -m benchmarks gpu --data DIR
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F

from benchmarks._turns import medians
from retina.devices import choose_device
from retina.models.architectures import build
from retina.training.augmentation import LabAugmentation
from retina.training.data import read_split_data
from retina.training.experiment import default_workers
from retina.training.settings import RunSettings
from retina.training.trainer import Trainer

GIGA_OPERATIONS = {"resnet18": 1.814, "resnet50": 4.089}
"""Multiply-adds of a forward pass at 224 pixels (``GFLOPS`` in torchvision's model pages). A
backward pass takes twice as many."""
SIDE = 8192


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu")
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--model", default="resnet50", choices=tuple(GIGA_OPERATIONS))
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100, help="a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--amp", default="auto")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)

    device = choose_device(options.device)
    settings = RunSettings(
        architecture=options.model,
        start="scratch",
        image_size=options.image_size,
        batch_size=options.batch_size,
        amp=options.amp,
    )
    workers = default_workers(device) if options.workers is None else options.workers
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(settings, options.data, options.steps, Path(folder), device, workers)
        batch = next(trainer.uploaded())
        waiting: list[float] = []

        def real() -> None:
            trainer.progress.begin_epoch(trainer.progress.epoch + 1)
            trainer._train_epoch(lambda: False)
            waiting.append(trainer.progress.waiting / trainer.progress.seconds)

        def tensors() -> None:
            for _ in range(options.steps):
                trainer.step(*batch)

        def bare() -> None:
            for _ in range(options.steps):
                with trainer.precision.autocast():
                    loss = F.cross_entropy(trainer.network(batch[0]).float(), batch[1])
                trainer.precision.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                trainer.model.zero_grad(set_to_none=True)

        with trainer.precision.quick_kernels():
            sides = {"real": real, "tensors": tensors, "bare": bare}
            seconds = medians(
                {name: partial(_to_the_end, side, device) for name, side in sides.items()},
                options.turns,
            )
            peak = _matrix_product(trainer.precision.dtype or torch.float32, device)
    rates = {n: options.steps * options.batch_size / s for n, s in seconds.items()}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    scaled = (options.image_size / 224) ** 2
    used = 3 * 2e9 * GIGA_OPERATIONS[options.model] * scaled * rates["real"] / 1e12
    print(
        f"{options.model}, {options.image_size} px, batch {options.batch_size}, "
        f"{trainer.precision.dtype or torch.float32}, {workers} workers, {name}, "
        f"PyTorch {torch.__version__}"
    )
    print(f"  trainer, real photographs       {rates['real']:>9.0f} pictures/s")
    print(f"  trainer, one batch on the device{rates['tensors']:>9.0f} pictures/s")
    print(f"  forward and backward alone      {rates['bare']:>9.0f} pictures/s")
    print(f"  real / batch on the device        {rates['real'] / rates['tensors']:>7.1%}")
    print(f"  real / forward and backward alone {rates['real'] / rates['bare']:>7.1%}")
    print(f"  waiting for data                  {median(waiting):>7.1%}")
    print(
        f"  the network's arithmetic {used:.1f} TFLOP/s of {peak:.0f} in a matrix product: "
        f"{used / peak:.0%}"
    )
    return 0


def _trainer(
    settings: RunSettings, data: str, steps: int, folder: Path, device: torch.device, workers: int
) -> Trainer:
    parts = read_split_data([data], seed=0)
    training = parts.dataset("train", parts.preprocessing(settings.image_size), LabAugmentation())
    count = steps * settings.batch_size
    repeats = -(-count // len(training))
    training.paths = (training.paths * repeats)[:count]
    training.grades = (training.grades * repeats)[:count]
    model = build(settings.architecture)
    return Trainer(settings, model, training, training, folder, device, workers)


def _to_the_end(side: Callable[[], None], device: torch.device) -> None:
    side()
    _wait(device)


def _matrix_product(dtype: torch.dtype, device: torch.device) -> float:
    """TFLOP/s of a square product, the best of ten."""
    side = SIDE if device.type == "cuda" else 512
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        _wait(device)
        began = time.perf_counter()
        a @ b
        _wait(device)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best / 1e12


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
