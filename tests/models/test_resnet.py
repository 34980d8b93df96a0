import math
from collections.abc import Callable

import pytest
import torch
import torchvision.models
from torch import nn

from retina.models import resnet
from retina.models.resnet import ResNet, resnet18, resnet50

DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def ours(name: str, num_classes: int = 5) -> ResNet:
    factory: Callable[..., ResNet] = getattr(resnet, name)
    return factory(num_classes=num_classes)


def torchvisions(name: str, num_classes: int = 5) -> nn.Module:
    factory: Callable[..., nn.Module] = getattr(torchvision.models, name)
    return factory(num_classes=num_classes)


def lived_in(model: nn.Module) -> nn.Module:
    """Give batch normalisation statistics and scales as after some training."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
            nn.init.uniform_(module.weight, 0.3, 0.7)
            nn.init.normal_(module.bias, std=0.1)
    return model.eval()


@pytest.mark.parametrize("name", DEPTHS)
def test_takes_torchvisions_weights_and_gives_its_outputs(name: str) -> None:
    torch.manual_seed(0)
    oracle = lived_in(torchvisions(name))
    model = ours(name).eval()
    model.load_state_dict(oracle.state_dict(), strict=True)
    x = torch.randn(2, 3, 96, 64)
    with torch.inference_mode():
        expected = oracle(x)
        assert expected.std() > 1e-2
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", DEPTHS)
def test_torchvision_takes_our_weights(name: str) -> None:
    model, oracle = ours(name), torchvisions(name)
    oracle.load_state_dict(model.state_dict(), strict=True)
    assert list(model.state_dict()) == list(oracle.state_dict())


@pytest.mark.parametrize("name", DEPTHS)
def test_has_as_many_parameters_as_torchvisions(name: str) -> None:
    counts = [sum(p.numel() for p in m.parameters()) for m in (ours(name), torchvisions(name))]
    assert counts[0] == counts[1]


def test_trains_as_torchvisions_does() -> None:
    torch.manual_seed(0)
    model, oracle = resnet50(), torchvisions("resnet50")
    oracle.load_state_dict(model.state_dict())
    x = torch.randn(4, 3, 64, 64)
    for network in (model, oracle):
        network.train()
        loss = nn.functional.cross_entropy(network(x), torch.tensor([0, 1, 2, 3]))
        torch.autograd.backward(loss)
    for (name, parameter), expected in zip(
        model.named_parameters(), oracle.parameters(), strict=True
    ):
        assert parameter.grad is not None
        assert expected.grad is not None
        scale = float(expected.grad.abs().max())
        assert scale > 0, name
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=0, atol=1e-3 * scale)
    for (name, buffer), theirs in zip(model.named_buffers(), oracle.buffers(), strict=True):
        torch.testing.assert_close(buffer, theirs, msg=name)


@pytest.mark.parametrize("num_classes", [1, 2, 5, 1000])
def test_gives_as_many_logits_as_asked(num_classes: int) -> None:
    model = resnet18(num_classes=num_classes).eval()
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, num_classes)


def test_grades_five_by_default() -> None:
    assert resnet18().fc.out_features == 5


@pytest.mark.parametrize(("name", "channels"), [("resnet18", 512), ("resnet50", 2048)])
def test_logits_are_the_linear_layer_on_pooled_features(name: str, channels: int) -> None:
    torch.manual_seed(0)
    model = ours(name).eval()
    x = torch.randn(2, 3, 96, 65)
    with torch.inference_mode():
        features = model.features(x)
        pooled = nn.functional.adaptive_avg_pool2d(features, 1).flatten(1)
        torch.testing.assert_close(model(x), model.fc(pooled))
    assert features.shape == (2, channels, 3, 3)


@pytest.mark.parametrize("name", DEPTHS)
def test_convolutions_start_from_hes_distribution(name: str) -> None:
    torch.manual_seed(0)
    for label, module in ours(name).named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            expected = math.sqrt(2 / fan_out)
            weights = module.weight.detach()
            count = weights.numel()
            # Five standard errors of the estimates of a normal distribution.
            assert abs(float(weights.mean())) < 5 * expected / math.sqrt(count), label
            assert float(weights.std()) == pytest.approx(expected, rel=5 / math.sqrt(2 * count)), (
                label
            )
            assert module.bias is None


@pytest.mark.parametrize("name", DEPTHS)
def test_batch_normalisation_starts_as_the_identity(name: str) -> None:
    for module in ours(name).modules():
        if isinstance(module, nn.BatchNorm2d):
            assert bool((module.weight == 1).all())
            assert bool((module.bias == 0).all())


def test_bottlenecks_reduce_the_resolution_in_their_3x3() -> None:
    block = resnet50().layer2[0]
    assert isinstance(block, resnet.Bottleneck)
    assert [c.stride for c in (block.conv1, block.conv2, block.conv3)] == [(1, 1), (2, 2), (1, 1)]
