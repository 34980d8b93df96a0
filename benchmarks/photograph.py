"""From the file of a camera to grade and heatmap, against the usual four lines.

Ours: ``Grader.grade``, with quality check and crop, on ResNet-50. The usual: open and resize with
Pillow, grade with torchvision's ResNet-50, explain with the grad-cam library. Random weights,
float32, in turns; ratios are to ours. Then the share of each step in our time.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from pytorch_grad_cam import GradCAM

from benchmarks._turns import medians, print_table
from retina.datasets.synthetic import draw_fundus
from retina.explain.cam import forward_with_cam
from retina.images.decode import read_photograph
from retina.images.prepare import Preprocessing, normalise
from retina.inference.grader import Grader
from retina.models.architectures import build
from retina.models.checkpoint import Checkpoint
from retina.models.config import CheckpointConfig, DataSource

CAMERA = (4288, 2848)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks photograph")
    parser.add_argument("--photograph", type=Path, metavar="FILE", help="drawn by default")
    parser.add_argument("--model", default="resnet50", choices=("resnet18", "resnet50"))
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        file = options.photograph or _camera_file(Path(folder))
        _compare(file, options.model, options.image_size, options.turns)
    return 0


def _camera_file(folder: Path) -> Path:
    file = folder / "eye.jpg"
    drawn = draw_fundus(2, seed=1, size=1024).resize(CAMERA, Image.Resampling.BICUBIC)
    drawn.save(file, quality=95)
    return file


def _compare(file: Path, name: str, size: int, turns: int) -> None:
    config = CheckpointConfig(
        name, name, Preprocessing(size=size), DataSource("none", 0, "", "none")
    )
    grader = Grader(Checkpoint(Path(name), config, None, build(name).eval()))
    theirs = torchvision.models.get_model(name, num_classes=5).eval()
    mean, std = _column(config.preprocessing.mean), _column(config.preprocessing.std)
    explain = GradCAM(model=theirs, target_layers=[theirs.layer4[-1]])

    def usual() -> object:
        picture = Image.open(file).convert("RGB").resize((size, size))
        pixels = np.asarray(picture, np.float32).transpose(2, 0, 1) / 255
        x = torch.from_numpy((pixels - mean) / std)
        with torch.inference_mode():
            grade = theirs(x[None]).argmax()
        return grade, explain(x[None], None)

    seconds = medians({"retina": lambda: grader.grade(file, anyway=True), "usual": usual}, turns)
    width, height = Image.open(file).size
    print_table(f"{width} x {height} JPEG, {name} at {size} px", seconds, "retina")
    print(f"usual / retina: {seconds['usual'] / seconds['retina']:.2f}")
    steps = [_steps(grader, file) for _ in range(turns)]
    for step in steps[0]:
        print(f"  {step:<34}{np.median([each[step] for each in steps]) * 1e3:>10.1f} ms")


def _steps(grader: Grader, file: Path) -> dict[str, float]:
    settings = grader.checkpoint.config.preprocessing
    marks = [time.perf_counter()]
    photograph = read_photograph(file, at_least=settings.at_least)
    marks.append(time.perf_counter())
    _ = photograph.field_of_view
    marks.append(time.perf_counter())
    _ = photograph.quality
    marks.append(time.perf_counter())
    square = photograph.square(settings)
    marks.append(time.perf_counter())
    x = torch.from_numpy(normalise(square, settings))[None]
    marks.append(time.perf_counter())
    forward_with_cam(grader.network, x.to(memory_format=torch.channels_last))
    marks.append(time.perf_counter())
    names = ["read and decode", "find the retina", "quality", "crop and resize", "normalise"]
    names.append("forward pass and heatmap")
    return {
        name: after - before
        for name, before, after in zip(names, marks[:-1], marks[1:], strict=True)
    }


def _column(values: tuple[float, float, float]) -> np.ndarray:
    return np.array(values, np.float32)[:, None, None]
