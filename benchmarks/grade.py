"""Grading with a heatmap, against a bare forward pass and against the grad-cam library.

One preprocessed photograph, random weights, channels-last, float32 on the CPU, in turns. Ratios are
to the bare forward pass.
"""

import argparse
import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

from benchmarks._turns import bare_forward, medians, print_table
from retina.explain.cam import forward_with_cam
from retina.models.architectures import build


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks grade")
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[224, 512])
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args(arguments)
    for name in options.models:
        for size in options.sizes:
            model = build(name).eval().to(memory_format=torch.channels_last)
            photograph = torch.randn(1, 3, size, size).to(memory_format=torch.channels_last)
            sides: dict[str, Callable[[], object]] = {
                "bare forward pass": partial(bare_forward, model, photograph),
                "retina, with heatmap": partial(forward_with_cam, model, photograph),
                "grad-cam library": _library(copy.deepcopy(model), photograph),
            }
            seconds = medians(sides, options.turns)
            print_table(f"{name}, {size} px", seconds, "bare forward pass")
    return 0


def _library(model: nn.Module, photograph: Tensor) -> Callable[[], object]:
    explain = GradCAM(model=model, target_layers=[[*model.get_submodule("layer4").children()][-1]])
    return lambda: explain(photograph, None)
