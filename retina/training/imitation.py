"""A network and its teacher: how far the one's feature maps are from the other's.

The teacher is EfficientNet-Lite0 with ImageNet's weights. Its maps at strides 8, 16 and 32,
normalised by channel, are read off the student's maps through a 1x1 convolution each. Both see the
very same picture, so the student learns the teacher as a function, whatever the picture shows.

Sources: Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv:1412.6550, for maps as
targets; Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR
2022, arXiv:2106.05237, for the same, strongly changed picture on both sides.
"""

from collections.abc import Iterable
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from retina.images.prepare import Preprocessing
from retina.models.efficientnet import efficientnet_lite0
from retina.models.folding import folded
from retina.models.pretrained import InitialWeights, start_from

STRIDES = (8, 16, 32)
TEACHER_MEAN, TEACHER_STD = 127 / 255, 128 / 255
"""Its weights were trained on pictures scaled as (x - 127) / 128."""


class Pyramid(Protocol):
    """A network with feature maps at ``STRIDES``."""

    def pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From (N, 3, H, W) to (N, C, H / stride, W / stride), rounded up, for each stride."""


class Teacher(nn.Module):
    """What is to be learned: EfficientNet-Lite0's maps, each channel to mean 0 and deviation 1.

    Args:
        weights: Of ImageNet.
        preprocessing: How the pictures that it is shown were normalised, which is undone.
    """

    gain: Tensor
    shift: Tensor

    def __init__(self, weights: InitialWeights, preprocessing: Preprocessing) -> None:
        super().__init__()
        network = efficientnet_lite0()
        start_from(network, weights)
        self.network = folded(network)
        mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1)
        std = torch.tensor(preprocessing.std).view(1, 3, 1, 1)
        self.register_buffer("gain", std / TEACHER_STD)
        self.register_buffer("shift", (mean - TEACHER_MEAN) / TEACHER_STD)
        self.normalisers = nn.ModuleList(
            nn.BatchNorm2d(channels, affine=False, momentum=None) for channels in channels_of(self)
        )
        self.eval()

    def pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of pictures as the student sees them, before each channel is normalised."""
        return self.network.pyramid(x * self.gain + self.shift)

    @torch.no_grad()
    def forward(self, x: Tensor) -> list[Tensor]:
        """The normalised maps of (N, 3, H, W) pictures as the student sees them."""
        maps = self.pyramid(x)
        return [norm(each) for norm, each in zip(self.normalisers, maps, strict=True)]

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Take mean and deviation of each channel from some batches; they then stay as they are."""
        self.normalisers.train()
        for pictures in batches:
            self(pictures)
        self.normalisers.eval()


class Imitation(nn.Module):
    """A student and the 1x1 convolutions that read the teacher's maps off its own.

    Args:
        student: A ``Pyramid``.
        teacher: Whose maps are read.
    """

    def __init__(self, student: nn.Module, teacher: Teacher) -> None:
        super().__init__()
        self.student = student
        self.readers = nn.ModuleList(
            nn.Conv2d(own, wanted, 1)
            for own, wanted in zip(channels_of(student), channels_of(teacher), strict=True)
        )

    def forward(self, x: Tensor, targets: Iterable[Tensor]) -> Tensor:
        """The mean squared error at each stride: (3,), in shares of the teacher's variance."""
        maps = cast(Pyramid, self.student).pyramid(x)
        return torch.stack(
            [
                (reader(own).float() - target.float()).square().mean()
                for reader, own, target in zip(self.readers, maps, targets, strict=True)
            ]
        )


@torch.no_grad()
def channels_of(network: nn.Module) -> list[int]:
    """How many channels each map of a ``Pyramid`` has."""
    was_training = network.training
    maps = cast(Pyramid, network.eval()).pyramid(torch.zeros(1, 3, 64, 64))
    network.train(was_training)
    return [each.shape[1] for each in maps]
