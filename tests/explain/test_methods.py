import numpy as np
import pytest
import torch
from pytorch_grad_cam import EigenCAM, GradCAMPlusPlus, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchvision.models import resnet18 as torchvision_resnet18

from retina.errors import SettingsError
from retina.explain.methods import GRAD_CAM, LIBRARY_METHODS, relative_heatmap
from retina.models.architectures import build

KINDS = {"Grad-CAM++": GradCAMPlusPlus, "LayerCAM": LayerCAM, "Eigen-CAM": EigenCAM}


@pytest.mark.parametrize("method", LIBRARY_METHODS)
def test_it_is_the_librarys_map_of_torchvisions_network(method: str) -> None:
    torch.manual_seed(0)
    ours, theirs = build("resnet18").eval(), torchvision_resnet18(num_classes=5).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(1, 3, 64, 64)
    with KINDS[method](model=theirs, target_layers=[theirs.layer4[-1]]) as library:
        expected = library(input_tensor=x, targets=[ClassifierOutputTarget(3)])[0]
    shown = relative_heatmap(ours, x, 3, method)
    assert shown.shape == (64, 64)
    assert shown.max() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(shown, expected, atol=1e-3)


@pytest.mark.parametrize("architecture", ["resnet18", "efficientnet_lite0"])
def test_it_leaves_the_network_as_it_was(architecture: str) -> None:
    network = build(architecture).eval().requires_grad_(False)
    x = torch.rand(1, 3, 64, 64)
    before = network(x)
    for method in LIBRARY_METHODS:
        relative_heatmap(network, x, 0, method)
    assert torch.equal(network(x), before)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    assert not x.requires_grad


@pytest.mark.parametrize("method", [GRAD_CAM, "Score-CAM"])
def test_an_unknown_method_is_named(method: str) -> None:
    with pytest.raises(SettingsError, match=r"choose one of Grad-CAM, Grad-CAM\+\+"):
        relative_heatmap(build("resnet18").eval(), torch.rand(1, 3, 64, 64), 0, method)
