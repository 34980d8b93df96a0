"""Grad-CAM at the last block, from the same forward pass that gives the grade.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, arXiv:1610.02391. In a network that ends in global average pooling and one
linear layer the logit of class c is ``b_c + sum_k w_ck * mean_ij A_k(i, j)``, so its gradient with
respect to every A_k(i, j) is ``w_ck / (h * w)``: no backward pass is needed.
"""

from typing import Protocol, cast

import torch
from torch import Tensor, nn


class PooledClassifier(Protocol):
    """A network whose Grad-CAM needs no gradient.

    Attributes:
        fc: The linear layer behind global average pooling.
    """

    fc: nn.Linear

    def features(self, x: Tensor) -> Tensor:
        """The (N, C, h, w) output of the last block."""


def forward_with_cam(
    model: nn.Module, x: Tensor, classes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute logits and Grad-CAMs in one forward pass.

    Leaves no hooks and no gradients behind, so several threads may share a model.

    Args:
        model: A ``PooledClassifier`` in evaluation mode.
        x: (N, 3, H, W) normalised photographs.
        classes: (N,) the class to explain in each photograph; by default the one of its highest
            logit.

    Returns:
        Logits (N, K), and the map (N, h, w) at the features' own resolution: the part of the
        class's logit that each place adds, 0 where that is negative, on no common scale.

    Raises:
        ValueError: The model is in training mode, where a forward pass would change it.
    """
    if model.training:
        raise ValueError("the model is in training mode; call model.eval() first")
    network = cast(PooledClassifier, model)
    with torch.inference_mode():
        features = network.features(x)
        logits = network.fc(features.mean(dim=(2, 3)))
        if classes is None:
            classes = logits.argmax(dim=1)
        return logits, cam_from_features(features, network.fc.weight, classes)


def cam_from_features(features: Tensor, fc_weight: Tensor, classes: Tensor) -> Tensor:
    """The Grad-CAM of one class for each photograph.

    Args:
        features: (N, C, h, w) output of the last block.
        fc_weight: (K, C) weights of the linear layer.
        classes: (N,) integers from 0 to K - 1.

    Returns:
        (N, h, w), none below 0.
    """
    area = features.shape[2] * features.shape[3]
    return torch.einsum("nchw,nc->nhw", features, fc_weight[classes] / area).relu()


class FeaturesApart(nn.Module):
    """A network with a separate module for its last feature map.

    The grad-cam library hooks that module, so that the network itself stays free of hooks and other
    threads may use it meanwhile.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.last = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The network's logits."""
        network = cast(PooledClassifier, self.network)
        logits: Tensor = network.fc(self.last(network.features(x)).mean(dim=(2, 3)))
        return logits
