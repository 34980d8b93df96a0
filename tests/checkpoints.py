"""A small checkpoint with random weights, and drawn photographs, for the tests that grade."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from retina.datasets.catalog import read_folder
from retina.datasets.splits import write_split
from retina.datasets.synthetic import write_synthetic
from retina.images.prepare import Preprocessing
from retina.models.architectures import build
from retina.models.checkpoint import save_checkpoint
from retina.models.config import SPLIT_FILE, CheckpointConfig, DataSource, OperatingPoint

SIZE = 64
METRICS: dict[str, Any] = {
    "n": 5,
    "confusion_matrix": [[int(i == j) for j in range(5)] for i in range(5)],
}
"""The least that a ``metrics.json`` holds."""
PARTS = {"train": 12, "validation": 3, "test": 5}


def small_network(seed: int = 0) -> nn.Module:
    """A ResNet-18 in which no tensor has a value that a fresh network would have anyway."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build("resnet18")
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.4, 0.8)
                nn.init.normal_(module.bias, std=0.1)
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.8, 1.2)
        nn.init.normal_(model.get_submodule("fc").get_parameter("weight"), std=0.2)
    return model.eval()


def small_config(**changes: Any) -> CheckpointConfig:
    settings: dict[str, Any] = {
        "name": "small",
        "architecture": "resnet18",
        "preprocessing": Preprocessing(size=SIZE, mean=(0.4, 0.3, 0.2), std=(0.3, 0.2, 0.1)),
        "data": DataSource("drawn", 20, "f" * 64, "none"),
        "temperature": 1.7,
        "referable": OperatingPoint(0.35, "by hand", "validation"),
        "heatmap_scale": 0.5,
        "training": {"epochs": 0},
    }
    return CheckpointConfig(**(settings | changes))


def save_small(folder: Path, **changes: Any) -> CheckpointConfig:
    """Save ``small_network`` with a configuration in which ``changes`` are made."""
    return save_checkpoint(folder, small_network(), small_config(**changes))


def draw_data(folder: Path) -> Path:
    """20 photographs of all grades, 96 pixels high, in Kaggle's layout."""
    write_synthetic(folder, count=sum(PARTS.values()), size=96)
    return folder


def split_data(checkpoint: Path, data: Path) -> None:
    """Deal the photographs of ``draw_data`` to ``PARTS``, in the order of their names."""
    table = read_folder(data).table
    parts = [part for part, count in PARTS.items() for _ in range(count)]
    write_split(checkpoint / SPLIT_FILE, table, pd.Series(parts, index=table.index))
