import pytest
import torch

from retina.errors import SettingsError
from retina.models.architectures import ARCHITECTURES, build


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_builds_every_network_it_names(name: str) -> None:
    model = build(name, num_classes=3).eval()
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert callable(model.features)
    assert isinstance(model.fc, torch.nn.Linear)


def test_builds_the_depth_that_the_name_says() -> None:
    layers = {
        name.removeprefix("resnet"): sum(
            isinstance(module, torch.nn.Conv2d | torch.nn.Linear) and "downsample" not in label
            for label, module in build(name).named_modules()
        )
        for name in ARCHITECTURES
    }
    assert layers["efficientnet_lite0"] == 50
    depths = {depth: count for depth, count in layers.items() if depth.isdigit()}
    assert depths == {depth: int(depth) for depth in depths}


def test_names_the_known_networks_where_one_is_unknown() -> None:
    with pytest.raises(SettingsError, match=r"'resnet19'.*resnet18, resnet34, resnet50"):
        build("resnet19")
