"""The networks by name, as ``--model`` and checkpoints use it."""

from collections.abc import Callable

from torch import nn

from retina.errors import SettingsError
from retina.models.efficientnet import efficientnet_lite0
from retina.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from retina.scale import NUM_GRADES

_FACTORIES: dict[str, Callable[[int], nn.Module]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "efficientnet_lite0": efficientnet_lite0,
}

ARCHITECTURES: tuple[str, ...] = tuple(_FACTORIES)


def build(name: str, num_classes: int = NUM_GRADES) -> nn.Module:
    """Build a network with random weights.

    Every network has ``features(x)``, the (N, C, h, w) output of its last block, and ``fc``, the
    linear layer that follows global average pooling; ``retina.explain.forward_with_cam`` relies
    on both.

    Args:
        name: One of ``ARCHITECTURES``.
        num_classes: How many logits it gives.

    Raises:
        SettingsError: No network has that name.
    """
    if name not in _FACTORIES:
        raise SettingsError(
            f"there is no network {name!r}; the known ones are {', '.join(ARCHITECTURES)}"
        )
    return _FACTORIES[name](num_classes)
