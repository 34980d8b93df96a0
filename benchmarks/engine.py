"""The grader's forward pass against ONNX Runtime and OpenVINO, in float32 on the same threads.

The engines run what ``retina export`` writes: logits and last feature map. Ours gives the heatmap
too, with either ``--engine``; below it, the network as it was trained, batch normalisation not
folded. One photograph; in turns; the ratio is to the faster engine. On one thread the processor's
time counts, which other work on the machine changes little.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import onnxruntime
import torch

from benchmarks._turns import bare_forward, medians, print_table
from retina.explain.cam import forward_with_cam
from retina.images.prepare import Preprocessing
from retina.models.architectures import build
from retina.models.checkpoint import load_checkpoint, save_checkpoint
from retina.models.config import CheckpointConfig, DataSource
from retina.models.engines import network_for_grading
from retina.models.export import INPUT, export_onnx


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks engine")
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[224, 512])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    for name in options.models:
        for size in options.sizes:
            with (
                tempfile.TemporaryDirectory() as folder,
                patch.dict(os.environ, RETINA_CACHE=folder),  # what is exported here is not kept
            ):
                _compare(name, size, Path(folder), options)
    return 0


def _compare(name: str, size: int, folder: Path, options: argparse.Namespace) -> None:
    config = CheckpointConfig(
        name, name, Preprocessing(size=size), DataSource("none", 0, "", "none")
    )
    save_checkpoint(folder / name, build(name), config)
    checkpoint = load_checkpoint(folder / name)
    file = folder / "network.onnx"
    export_onnx(checkpoint, file)
    photograph = torch.randn(1, 3, size, size)
    engines = {"ONNX Runtime": _onnx_runtime, "OpenVINO": _openvino}
    sides: dict[str, Callable[[], object]] = {}
    for engine, start in engines.items():
        try:
            run = start(file, options.threads)
        except ImportError:
            print(f"{engine} is not installed")
            continue
        sides[engine] = partial(run, photograph.numpy())
    model = checkpoint.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    photograph = photograph.to(memory_format=torch.channels_last)
    folded = network_for_grading(checkpoint).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    onnx = network_for_grading(checkpoint, "onnxruntime")
    engines_only = list(sides)
    sides["retina, with heatmap"] = partial(forward_with_cam, folded, photograph)
    sides["--engine onnxruntime, with heatmap"] = partial(forward_with_cam, onnx, photograph)
    sides["bare forward pass, not folded"] = partial(bare_forward, model, photograph)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    seconds = medians(sides, options.turns, clock)
    fastest = min(engines_only, key=seconds.__getitem__)
    print_table(f"{name}, {size} px, {options.threads} threads", seconds, fastest)


def _onnx_runtime(file: Path, threads: int) -> Callable[..., object]:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
    return lambda photograph: session.run(None, {INPUT: photograph})


def _openvino(file: Path, threads: int) -> Callable[..., object]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(file, "CPU", settings)
    return lambda photograph: compiled([photograph])
