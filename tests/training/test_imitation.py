from typing import Any

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from retina.images.prepare import Preprocessing
from retina.models.architectures import build
from retina.models.pretrained import LITE, InitialWeights, resolve_pretrained
from retina.training.imitation import Imitation, Teacher, channels_of

# The deviation and mean of a fundus photograph's colours, roughly.
PREPROCESSING = Preprocessing(size=64, mean=(0.46, 0.25, 0.08), std=(0.25, 0.14, 0.08))


@pytest.fixture(scope="module")
def weights() -> InitialWeights:
    return resolve_pretrained([LITE])[LITE]


@pytest.fixture
def teacher(weights: InitialWeights) -> Teacher:
    return Teacher(weights, PREPROCESSING)


def photographs(count: int = 4, side: int = 64) -> Tensor:
    """Pixel values, 0 to 255."""
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.manual_seed(0)).float()


def as_shown(pixels: Tensor) -> Tensor:
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std)
    )
    return (pixels / 255 - mean) / std


def test_the_teacher_sees_pictures_as_the_package_scales_them(
    teacher: Teacher, weights: InitialWeights
) -> None:
    oracle: Any = EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
    assert weights.state is not None
    oracle.load_state_dict({n.replace("fc.", "_fc."): t for n, t in weights.state.items()})
    expected: list[Tensor] = []
    for block in (4, 10, 15):
        oracle._blocks[block].register_forward_hook(lambda _, __, maps: expected.append(maps))
    pixels = photographs()
    with torch.inference_mode():
        oracle((pixels - 127) / 128)
        for ours, theirs in zip(teacher.pyramid(as_shown(pixels)), expected, strict=True):
            assert theirs.std() > 0.1
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)


def test_measured_maps_have_mean_0_and_deviation_1(teacher: Teacher) -> None:
    shown = as_shown(photographs(16))
    teacher.measure([shown])
    for maps in teacher(shown):
        assert not maps.requires_grad
        channels = maps.transpose(0, 1).flatten(1)
        assert channels.mean(dim=1).abs().max() < 1e-3
        assert (channels.var(dim=1) - 1).abs().max() < 0.02
    assert not any(module.training for module in teacher.modules())


def test_reading_nothing_explains_nothing(teacher: Teacher) -> None:
    shown = as_shown(photographs(8))
    teacher.measure([shown])
    imitation = Imitation(build("resnet18"), teacher)
    for parameter in imitation.readers.parameters():
        nn.init.zeros_(parameter)
    errors = imitation(shown, teacher(shown))
    torch.testing.assert_close(errors, torch.ones(3), rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet18", [128, 256, 512]),
        ("resnet50", [512, 1024, 2048]),
        ("efficientnet_lite0", [40, 112, 320]),
    ],
)
def test_every_network_has_maps_at_three_strides(name: str, channels: list[int]) -> None:
    network = build(name).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert channels_of(network) == channels
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_student_has_its_own_gradients_and_the_teacher_none(teacher: Teacher) -> None:
    shown = as_shown(photographs(2))
    teacher.measure([shown])
    imitation = Imitation(build("resnet18"), teacher)
    torch.autograd.backward(imitation(shown, teacher(shown)).sum())
    without = [name for name, p in imitation.named_parameters() if p.grad is None]
    assert without == ["student.fc.weight", "student.fc.bias"]
    assert all(parameter.grad is None for parameter in teacher.parameters())
