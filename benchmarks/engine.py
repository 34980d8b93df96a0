"""The grader's forward pass against ONNX Runtime and OpenVINO, in float32 on as many threads.

The engines run the output of ``retina export``: logits and last feature map. Ours computes the
heatmap too, with either ``--engine``; the last row is the network as trained, without folded batch
normalisation. One photograph; each side in its own process, in turns; ratios are to the faster
engine. On one thread, CPU time is measured, which other load on the machine changes little.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import onnxruntime
import torch
from torch import Tensor

from benchmarks._apart import side
from benchmarks._turns import REST, bare_forward, print_table
from benchmarks.triage import random_checkpoint
from retina.explain.cam import forward_with_cam
from retina.models.checkpoint import load_checkpoint
from retina.models.engines import network_for_grading
from retina.models.export import INPUT, export_onnx

FILE = "network.onnx"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks engine")
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[224, 512])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    engines = ["ONNX Runtime"]
    if find_spec("openvino"):
        engines.append("OpenVINO")
    else:
        print("OpenVINO is not installed")
    for name in options.models:
        for size in options.sizes:
            with (
                tempfile.TemporaryDirectory() as folder,
                patch.dict(os.environ, RETINA_CACHE=folder),  # Do not keep the exported files.
            ):
                checkpoint = random_checkpoint(Path(folder), name, size)
                export_onnx(load_checkpoint(checkpoint), checkpoint / FILE)
                seconds = _medians(checkpoint, size, options.threads, options.turns)
            fastest = min(engines, key=seconds.__getitem__)
            print_table(f"{name}, {size} px, {options.threads} threads", seconds, fastest)
    return 0


def _medians(checkpoint: Path, size: int, threads: int, turns: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {}
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(side(_turns, name, checkpoint, size, threads))
            for name in SIDES
            if name != "OpenVINO" or find_spec("openvino")
        }
        for _ in range(turns):
            for name, turn in sides.items():
                seconds.setdefault(name, []).append(turn())
    return {name: statistics.median(each) for name, each in seconds.items()}


def _turns(name: str, checkpoint: Path, size: int, threads: int) -> Iterator[float]:
    """Yield seconds per pass, the last of three in each turn."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    photograph = torch.randn(1, 3, size, size)
    answer = SIDES[name](checkpoint, threads)
    while True:
        time.sleep(REST)
        for _ in range(3):
            began = clock()
            answer(photograph)
            seconds = clock() - began
        yield seconds


def _onnx_runtime(checkpoint: Path, threads: int) -> Callable[[Tensor], object]:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        checkpoint / FILE, settings, providers=["CPUExecutionProvider"]
    )
    return lambda photograph: session.run(None, {INPUT: photograph.numpy()})


def _openvino(checkpoint: Path, threads: int) -> Callable[[Tensor], object]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(checkpoint / FILE, "CPU", settings)
    return lambda photograph: compiled([photograph.numpy()])


def _retina(checkpoint: Path, threads: int) -> Callable[[Tensor], object]:
    network = network_for_grading(load_checkpoint(checkpoint))
    return partial(forward_with_cam, network.to(memory_format=torch.channels_last))


def _retina_onnx(checkpoint: Path, threads: int) -> Callable[[Tensor], object]:
    return partial(
        forward_with_cam, network_for_grading(load_checkpoint(checkpoint), "onnxruntime")
    )


def _bare(checkpoint: Path, threads: int) -> Callable[[Tensor], object]:
    model = load_checkpoint(checkpoint).model
    return partial(bare_forward, model.to(memory_format=torch.channels_last))


SIDES: dict[str, Callable[[Path, int], Callable[[Tensor], object]]] = {
    "ONNX Runtime": _onnx_runtime,
    "OpenVINO": _openvino,
    "retina, with heatmap": _retina,
    "--engine onnxruntime, with heatmap": _retina_onnx,
    "bare forward pass, not folded": _bare,
}
