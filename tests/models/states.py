"""Weights as torchvision has them, for the tests of where a network starts."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision.models
from torch import Tensor, nn

State = dict[str, Tensor]


def torchvisions(name: str = "resnet18", num_classes: int = 1000) -> State:
    factory: Callable[..., nn.Module] = getattr(torchvision.models, name)
    torch.manual_seed(1)
    return factory(num_classes=num_classes).state_dict()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
