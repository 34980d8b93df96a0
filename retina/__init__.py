"""Grading of diabetic retinopathy, 0 to 4, from colour fundus photographs.

The public names are imported when they are first used, so that ``import retina`` stays quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from retina.version import __version__

if TYPE_CHECKING:
    from retina.assessment import Assessment
    from retina.datasets.dataset import RetinopathyDataset
    from retina.inference.grader import Grader
    from retina.models.checkpoint import load_checkpoint
    from retina.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152

__all__ = [
    "Assessment",
    "Grader",
    "RetinopathyDataset",
    "__version__",
    "load_checkpoint",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
]

_HOMES = {
    "Assessment": "retina.assessment",
    "Grader": "retina.inference.grader",
    "RetinopathyDataset": "retina.datasets.dataset",
    "load_checkpoint": "retina.models.checkpoint",
    "resnet18": "retina.models.resnet",
    "resnet34": "retina.models.resnet",
    "resnet50": "retina.models.resnet",
    "resnet101": "retina.models.resnet",
    "resnet152": "retina.models.resnet",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'retina' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
