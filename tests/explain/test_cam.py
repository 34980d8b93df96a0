from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from retina.explain import forward_with_cam
from retina.explain.cam import cam_from_features
from retina.models.resnet import ResNet, resnet18, resnet50

BOTH_BLOCKS = pytest.mark.parametrize("factory", [resnet18, resnet50])


class UnresizedGradCAM(GradCAM):  # type: ignore[misc]
    """The library's Grad-CAM, left at the resolution of the features (its scaling stays)."""

    def __init__(self, model: nn.Module, layer: nn.Module, size: tuple[int, int]) -> None:
        super().__init__(model, [layer])
        self.size = size

    def get_target_width_height(self, input_tensor: Tensor) -> tuple[int, int]:
        return self.size


def network(factory: Callable[[], ResNet]) -> ResNet:
    torch.manual_seed(3)
    model = factory()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.3, 0.7)
            nn.init.normal_(module.bias, std=0.1)
    nn.init.normal_(model.fc.weight, std=0.1)
    return model.eval()


def photographs() -> Tensor:
    torch.manual_seed(4)
    return nn.functional.interpolate(torch.randn(3, 3, 9, 12), size=(96, 128), mode="bilinear")


def scaled(maps: Tensor) -> npt.NDArray[np.float32]:
    """Each map to minimum 0 and maximum 1, as the library does."""
    flat = maps.flatten(1)
    low, high = flat.min(1).values[:, None, None], flat.max(1).values[:, None, None]
    result: npt.NDArray[np.float32] = ((maps - low) / (high - low)).numpy()
    return result


@BOTH_BLOCKS
@pytest.mark.parametrize("rank", [0, 1])
def test_is_the_librarys_grad_cam_up_to_scale(factory: Callable[[], ResNet], rank: int) -> None:
    model, x = network(factory), photographs()
    explained = model(x).argsort(1, descending=True)[:, rank]
    _, maps = forward_with_cam(model, x, None if rank == 0 else explained)
    assert maps.shape == (3, 3, 4)
    assert bool((maps.flatten(1).max(1).values > 1e-4).all()), "a map is empty: nothing compared"

    with UnresizedGradCAM(model, model.layer4[-1], size=(4, 3)) as library:
        theirs = library(x, [ClassifierOutputTarget(c) for c in explained.tolist()])
    np.testing.assert_allclose(scaled(maps), theirs, rtol=0, atol=1e-4)


@BOTH_BLOCKS
@pytest.mark.parametrize("label", range(5))
def test_has_the_scale_that_the_gradient_gives(factory: Callable[[], ResNet], label: int) -> None:
    model, x = network(factory), photographs()
    _, maps = forward_with_cam(model, x, torch.full((3,), label))

    features = model.features(x).detach().requires_grad_()
    logit = model.fc(nn.functional.adaptive_avg_pool2d(features, 1).flatten(1))[:, label]
    (gradient,) = torch.autograd.grad(logit.sum(), features)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(maps, (weights * features).sum(1).relu().detach())


@BOTH_BLOCKS
def test_gives_the_logits_of_the_model(factory: Callable[[], ResNet]) -> None:
    model, x = network(factory), photographs()
    logits, _ = forward_with_cam(model, x)
    with torch.inference_mode():
        assert torch.equal(logits, model(x))


def test_a_map_that_nothing_speaks_for_is_empty() -> None:
    model = network(resnet18)
    nn.init.constant_(model.fc.weight, -1.0)
    _, maps = forward_with_cam(model, photographs())
    assert bool((maps == 0).all())


def test_each_place_adds_its_share_to_the_logit() -> None:
    features, weight = torch.rand(2, 6, 3, 4), torch.rand(5, 6)
    classes = torch.tensor([1, 4])
    maps = cam_from_features(features, weight, classes)
    logits = nn.functional.linear(features.mean(dim=(2, 3)), weight)
    torch.testing.assert_close(maps.sum(dim=(1, 2)), logits[torch.arange(2), classes])


@BOTH_BLOCKS
def test_memory_format_does_not_matter(factory: Callable[[], ResNet]) -> None:
    model, x = network(factory), photographs()
    logits, maps = forward_with_cam(model, x)
    # mypy does not know this overload of nn.Module.to.
    last: Any = {"memory_format": torch.channels_last}
    logits_last, maps_last = forward_with_cam(model.to(**last), x.to(**last))
    torch.testing.assert_close(logits_last, logits, rtol=0, atol=1e-4)
    torch.testing.assert_close(maps_last, maps, rtol=0, atol=1e-4)


def test_leaves_no_hook_and_no_gradient_and_changes_nothing() -> None:
    model = network(resnet18)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    logits, maps = forward_with_cam(model, photographs())
    assert not logits.requires_grad
    assert not maps.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_runs_the_network_once() -> None:
    model, calls = network(resnet18), []
    model.layer4.register_forward_hook(lambda *_: calls.append(1))
    forward_with_cam(model, photographs())
    assert len(calls) == 1


def test_a_model_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        forward_with_cam(resnet18(), photographs())
