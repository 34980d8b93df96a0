"""Sides that take turns in one process."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

Side = TypeVar("Side", bound=Hashable)

REST = 0.05
"""Seconds before each turn, since threads of the previous side may still be spinning."""


def medians(
    sides: Mapping[Side, Callable[[], object]],
    turns: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Side, float]:
    """Return the seconds per call of each side: the median of the second call in each turn."""
    seconds: dict[Side, list[float]] = {name: [] for name in sides}
    for _ in range(turns):
        for name, side in sides.items():
            time.sleep(REST)
            side()
            began = clock()
            side()
            seconds[name].append(clock() - began)
    return {name: statistics.median(each) for name, each in seconds.items()}


def print_table(title: str, seconds: Mapping[str, float], base: str) -> None:
    """Print milliseconds per call, and the ratio of each side to ``base``."""
    print(title)
    for name, each in seconds.items():
        print(f"  {name:<34}{each * 1e3:>10.1f} ms{each / seconds[base]:>8.2f}")


def bare_forward(model: nn.Module, photograph: Tensor) -> Tensor:
    """Compute the logits alone, as the reference for other sides."""
    with torch.inference_mode():
        logits: Tensor = model(photograph)
    return logits
