import math
from typing import Any

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from retina.explain.cam import forward_with_cam
from retina.models import efficientnet
from retina.models.checkpoint import as_stored
from retina.models.efficientnet import EfficientNetLite0, SameConv2d, efficientnet_lite0
from retina.models.pretrained import InitialWeights, resolve_pretrained, start_from


@pytest.fixture(scope="module")
def imagenet() -> InitialWeights:
    return resolve_pretrained(["efficientnet_lite0"])["efficientnet_lite0"]


@pytest.fixture(scope="module")
def model(imagenet: InitialWeights) -> EfficientNetLite0:
    network = efficientnet_lite0(num_classes=1000)
    start_from(network, imagenet)
    return network.eval()


def oracle(weights: InitialWeights, **settings: object) -> Any:
    network = EfficientNet.from_name("efficientnet-lite0", image_size=None, **settings)
    assert weights.state is not None
    network.load_state_dict(
        {name.replace("fc.", "_fc."): value for name, value in weights.state.items()}
    )
    return network


@pytest.mark.parametrize("sides", [(224, 224), (96, 64), (65, 97), (33, 32)])
def test_gives_the_outputs_of_the_package(
    model: EfficientNetLite0, imagenet: InitialWeights, sides: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    theirs = oracle(imagenet).eval()
    x = torch.randn(2, 3, *sides)
    with torch.inference_mode():
        expected = theirs(x)
        assert expected.std() > 0.1
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-4)
        torch.testing.assert_close(model.features(x), theirs.extract_features(x), rtol=0, atol=1e-4)


@pytest.fixture
def certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training without chance."""
    monkeypatch.setattr(efficientnet, "DROPOUT", 0.0)
    monkeypatch.setattr(efficientnet, "MAX_SKIPPED", 0.0)


@pytest.mark.usefixtures("certain")
def test_trains_as_the_package_does(imagenet: InitialWeights) -> None:
    ours = efficientnet_lite0(num_classes=1000)
    start_from(ours, imagenet)
    theirs = oracle(imagenet, dropout_rate=0.0, drop_connect_rate=0.0)
    torch.manual_seed(0)
    x = torch.randn(4, 3, 64, 64)
    for network in (ours.train(), theirs.train()):
        torch.autograd.backward(nn.functional.cross_entropy(network(x), torch.arange(4)))
    for (name, parameter), expected in zip(
        ours.named_parameters(), theirs.parameters(), strict=True
    ):
        assert parameter.grad is not None
        assert expected.grad is not None
        scale = float(expected.grad.abs().max())
        assert scale > 0, name
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=0, atol=1e-3 * scale)


def test_training_skips_blocks_at_random(model: EfficientNetLite0) -> None:
    x = torch.randn(1, 3, 64, 64)
    block = model._blocks[9]
    maps = torch.randn(64, 112, 4, 4)
    block.train()
    try:
        with torch.no_grad():
            unchanged = (block(maps) == maps).flatten(1).all(dim=1)
    finally:
        model.eval()
    assert block.skipped == pytest.approx(0.2 * 9 / 16)
    assert 0 < int(unchanged.sum()) < 20
    with torch.no_grad():
        assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("side", [32, 33, 64])
@pytest.mark.parametrize("kernel", [3, 5])
def test_padding_keeps_every_second_pixel(side: int, kernel: int) -> None:
    conv = SameConv2d(1, 1, kernel, stride=2, bias=False)
    assert conv(torch.zeros(1, 1, side, 64)).shape == (1, 1, math.ceil(side / 2), 32)


def test_heatmap_comes_from_the_same_forward_pass(model: EfficientNetLite0) -> None:
    x = torch.randn(2, 3, 96, 64)
    logits, heatmap = forward_with_cam(model, x)
    torch.testing.assert_close(logits, model(x))
    assert heatmap.shape == (2, 3, 2)
    assert heatmap.max() > 0


def test_half_precision_on_disk_changes_the_logits_little(
    model: EfficientNetLite0, imagenet: InitialWeights
) -> None:
    stored = efficientnet_lite0(num_classes=1000).eval()
    stored.load_state_dict(as_stored(model.state_dict()))
    x = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        expected: Tensor = model(x)
        assert (stored(x) - expected).abs().max() < 0.02 * expected.abs().max()


def test_convolutions_start_so_that_activations_keep_their_size() -> None:
    torch.manual_seed(0)
    fresh = efficientnet_lite0()
    depthwise = fresh.state_dict()["_blocks.10._depthwise_conv.weight"]
    assert float(depthwise.std()) == pytest.approx(math.sqrt(2 / 25), rel=0.05)
    pointwise = fresh.state_dict()["_conv_head.weight"]
    assert float(pointwise.std()) == pytest.approx(math.sqrt(2 / 1280), rel=0.05)
