"""What a training picture may look like instead: changes that leave the grade as it is."""

import math

import cv2
import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms.v2 import functional as F

cv2.setNumThreads(0)  # A data loader's forked worker would wait for its parent's threads forever.


class LabAugmentation:
    """The lab's augmentation: flips with probability 1/2 each, and a rotation within 90 degrees.

    The random numbers come from torch's global generator on the CPU. The rotation is OpenCV's,
    with bilinear interpolation and black corners: four times as quick as Pillow's, whose rotation
    took more of a step than all the rest of a picture's preparation.
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
    pixels = square.permute(1, 2, 0).contiguous().numpy()
    height, width, _ = pixels.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    rotated = cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_LINEAR)
    return torch.from_numpy(rotated).permute(2, 0, 1)


class StrongAugmentation:
    """Flips, any rotation, scale and shift in one resampling; colour, blur, erasing and noise.

    For learning without labels, from any camera's tints: exposure, and gain and gamma of each
    channel, change so far that a photograph may look like another hospital's. Blur and erasing
    touch a fifth of the pictures each, a sensor's noise half of them. The random numbers come from
    torch's global generator on the CPU.
    """

    SCALE = 0.25
    SHIFT = 0.1
    EXPOSURE = 0.3
    GAIN = 0.35
    GAMMA = 0.4
    BLUR_RADIUS = 1.0 / 200
    ERASED_SIDE = 0.2
    RARE = 0.2
    NOISE = 12.0

    def __call__(self, square: Tensor) -> Tensor:
        """Change a square at random.

        Args:
            square: (3, H, W) uint8, H equal to W.

        Returns:
            The same shape and type; the square given is left as it is.
        """
        side = square.shape[-1]
        image = Image.fromarray(square.permute(1, 2, 0).numpy())
        image = image.transform(
            image.size, Image.Transform.AFFINE, self._affine(side), Image.Resampling.BILINEAR
        ).point(self._tables())
        blur, erase, radius, width, height, left, top = torch.rand(7).tolist()
        if blur < self.RARE:
            image = image.filter(ImageFilter.GaussianBlur(radius * self.BLUR_RADIUS * side))
        if erase < self.RARE:
            width, height = (1 + int(share * self.ERASED_SIDE * side) for share in (width, height))
            place = (int(left * (side - width)), int(top * (side - height)))
            image.paste((0, 0, 0), (*place, place[0] + width, place[1] + height))
        changed = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        deviation = self.NOISE * (2 * float(torch.rand(())) - 1)
        if deviation <= 0:
            return changed
        noise = deviation * torch.randn(changed.shape)
        return (changed + noise).round_().clamp_(0, 255).to(torch.uint8)

    def _affine(self, side: int) -> tuple[float, float, float, float, float, float]:
        """Where in the square each pixel of the result is taken from, as Pillow wants it."""
        mirror, turn, zoom, right, down = torch.rand(5).tolist()
        angle = 2 * math.pi * turn
        scale = 1 + self.SCALE * (2 * zoom - 1)
        cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
        flip = -1.0 if mirror < 0.5 else 1.0
        middle = side / 2
        column = middle + self.SHIFT * side * (2 * right - 1)
        row = middle + self.SHIFT * side * (2 * down - 1)
        return (
            flip * cosine,
            sine,
            column - middle * (flip * cosine + sine),
            -flip * sine,
            cosine,
            row - middle * (cosine - flip * sine),
        )

    def _tables(self) -> list[int]:
        """What becomes of each of the 256 values of red, green and blue."""
        exposure = math.exp(self.EXPOSURE * (2 * float(torch.rand(())) - 1))
        gains = 1 + self.GAIN * (2 * torch.rand(3, 1) - 1)
        gammas = torch.exp(self.GAMMA * (2 * torch.rand(3, 1) - 1))
        values = gains * torch.linspace(0, 1, 256) ** gammas
        tables = exposure * (255 * values).round().clamp(0, 255)
        return tables.round().clamp(0, 255).int().flatten().tolist()
