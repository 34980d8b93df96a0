import pytest
import torch
from torch import nn

from retina.explain.cam import forward_with_cam
from retina.models.architectures import build
from retina.models.folding import folded
from tests.models.test_resnet import lived_in


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_lite0"])
def test_a_folded_network_gives_the_same_logits_and_heatmap(name: str) -> None:
    torch.manual_seed(0)
    model = lived_in(build(name))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(2, 3, 97, 64)
    quick = folded(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
    for given, expected in zip(forward_with_cam(quick, x), forward_with_cam(model, x), strict=True):
        assert expected.std() > 0
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)
    assert model.state_dict().keys() == before.keys()
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
