"""What a training picture may look like instead: changes that leave the grade as it is."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F


class LabAugmentation:
    """The lab's augmentation: flips with probability 1/2 each, and a rotation within 90 degrees.

    The random numbers come from torch's global generator on the CPU. The rotation is Pillow's,
    with bilinear interpolation and black corners: at 224 pixels as quick as torchvision's on a
    tensor, at 512 twice as quick.
    """

    MAX_DEGREES = 90.0

    def __call__(self, square: Tensor) -> Tensor:
        """Change a square at random.

        Args:
            square: (3, H, W) uint8.

        Returns:
            The same shape and type; the square given is left as it is.
        """
        horizontal, vertical, turn = torch.rand(3).tolist()
        if horizontal < 0.5:
            square = F.horizontal_flip(square)
        if vertical < 0.5:
            square = F.vertical_flip(square)
        return _rotate(square, (2 * turn - 1) * self.MAX_DEGREES)


def _rotate(square: Tensor, degrees: float) -> Tensor:
    image = Image.fromarray(square.permute(1, 2, 0).numpy())
    rotated = image.rotate(degrees, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(rotated)).permute(2, 0, 1)
