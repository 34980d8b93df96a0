"""The residual networks of figure 3 and table 1 of the paper, for ``num_classes`` grades.

Source: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
arXiv:1512.03385. Two departures, both shared with every set of weights in circulation: the
bottleneck halves the resolution in its 3x3 convolution rather than in its first 1x1, and shortcuts
that change shape are projections (option B). Parameters carry the names that torchvision gave
them, so that such weights fit.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from retina.scale import NUM_GRADES


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


def _conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The identity where the block keeps its input's shape, else a projection to the new one."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        _conv1x1(in_channels, out_channels, stride),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: the block of ResNet-18 and ResNet-34.

    Args:
        in_channels: Channels of the input.
        width: Channels of the convolutions, and of the output.
        stride: By how much the first convolution reduces height and width.
    """

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """From (N, in_channels, H, W) to (N, width, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut: the block of ResNet-50, -101 and -152.

    Args:
        in_channels: Channels of the input.
        width: Channels of the 3x3 convolution; the output has ``expansion`` times as many.
        stride: By how much the 3x3 convolution reduces height and width.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = _conv1x1(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv1x1(width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """From (N, in_channels, H, W) to (N, 4 * width, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x), inplace=True)


Block = type[BasicBlock] | type[Bottleneck]


def _stage(block: Block, in_channels: int, width: int, depth: int, stride: int) -> nn.Sequential:
    """``depth`` blocks of one width, of which the first reduces the resolution by ``stride``."""
    out_channels = width * block.expansion
    return nn.Sequential(
        block(in_channels, width, stride),
        *(block(out_channels, width) for _ in range(depth - 1)),
    )


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, global average pooling and one linear layer.

    Args:
        block: The kind of block that all stages are made of.
        depths: How many blocks each of the four stages has.
        num_classes: How many logits the last layer gives.

    Attributes:
        fc: The last layer; its row ``c`` weighs the pooled features for class ``c``.
    """

    def __init__(self, block: Block, depths: Sequence[int], num_classes: int = NUM_GRADES) -> None:
        super().__init__()
        expansion = block.expansion
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(block, 64, 64, depths[0], stride=1)
        self.layer2 = _stage(block, 64 * expansion, 128, depths[1], stride=2)
        self.layer3 = _stage(block, 128 * expansion, 256, depths[2], stride=2)
        self.layer4 = _stage(block, 256 * expansion, 512, depths[3], stride=2)
        self.fc = nn.Linear(512 * expansion, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        """Convolutions from N(0, 2 / fan-out), the last layer as PyTorch does by default.

        Source: He et al., "Delving Deep into Rectifiers", ICCV 2015, equation 14. Batch
        normalisation starts as the identity, which is PyTorch's default too.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)

    def features(self, x: Tensor) -> Tensor:
        """The last block's output.

        Args:
            x: (N, 3, H, W) normalised photographs.

        Returns:
            (N, C, H / 32, W / 32), rounded up, no value below 0; C is 512 for basic blocks and 2048
            for bottlenecks.
        """
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """From (N, 3, H, W) normalised photographs to (N, num_classes) logits."""
        pooled = self.features(x).mean(dim=(2, 3))
        logits: Tensor = self.fc(pooled)
        return logits


def resnet18(num_classes: int = NUM_GRADES) -> ResNet:
    """18 layers, 11.2 million parameters."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes)


def resnet34(num_classes: int = NUM_GRADES) -> ResNet:
    """34 layers, 21.3 million parameters."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes)


def resnet50(num_classes: int = NUM_GRADES) -> ResNet:
    """50 layers, 23.5 million parameters."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes)


def resnet101(num_classes: int = NUM_GRADES) -> ResNet:
    """101 layers, 42.5 million parameters."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes)


def resnet152(num_classes: int = NUM_GRADES) -> ResNet:
    """152 layers, 58.2 million parameters."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes)
