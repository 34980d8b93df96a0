"""What a training picture may look like instead: changes that leave the grade as it is."""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

Pixels = npt.NDArray[np.uint8]

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


class CameraAugmentation:
    """Everything that differs between cameras and clinics, and leaves the grade as it is.

    Mirrored, turned by any angle, scaled and shifted in one resampling; exposure, contrast, gamma
    and the gain of each colour; and, each for some pictures only, blur, lost resolution and JPEG
    compression. The random numbers come from torch's global generator on the CPU.
    """

    SCALE = 0.15
    SHIFT = 0.05  # of the side
    EXPOSURE = 0.2  # exponents of e
    GAMMA = 0.15
    CONTRAST = 0.15
    GAIN = 0.1
    BLURRED, BLUR = 0.2, 1 / 160  # share of the pictures; highest deviation, of the side
    SHRUNK, SMALLEST = 0.2, 0.4
    COMPRESSED, WORST, BEST = 0.3, 40, 95  # JPEG quality
    PIVOT = 0.4  # the brightness that contrast leaves as it is

    def __call__(self, square: Tensor) -> Tensor:
        """Change a square at random.

        Args:
            square: (3, H, W) uint8, H equal to W.

        Returns:
            The same shape and type; the square given is left as it is.
        """
        pixels = square.permute(1, 2, 0).contiguous().numpy()
        pixels = np.asarray(cv2.LUT(self._placed(pixels), self._tones()))
        return torch.from_numpy(self._degraded(pixels)).permute(2, 0, 1)

    def _placed(self, pixels: Pixels) -> Pixels:
        mirror, turn, zoom, right, down = torch.rand(5).tolist()
        side = pixels.shape[0]
        middle = (side - 1) / 2
        angle, scale = 2 * math.pi * turn, 1 + self.SCALE * (2 * zoom - 1)
        flip = -1.0 if mirror < 0.5 else 1.0
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        linear = np.array([[cosine * flip, -sine], [sine * flip, cosine]])
        shift = self.SHIFT * side * (2 * np.array([right, down]) - 1)
        offset = middle + shift - linear @ [middle, middle]
        return _warped(pixels, np.column_stack([linear, offset]))

    def _tones(self) -> Pixels:
        """What becomes of each of the 256 values of red, green and blue: (256, 1, 3)."""
        exposure, gamma, contrast, *gains = (2 * torch.rand(6) - 1).tolist()
        values = np.linspace(0, 1, 256) ** math.exp(self.GAMMA * gamma)
        values = (values - self.PIVOT) * (1 + self.CONTRAST * contrast) + self.PIVOT
        values[0] = 0.0  # what surrounds the retina stays black
        factors = math.exp(self.EXPOSURE * exposure) * (1 + self.GAIN * np.array(gains))
        tones = np.outer(values, factors) * 255
        return tones.round().clip(0, 255).astype(np.uint8)[:, np.newaxis]

    def _degraded(self, pixels: npt.NDArray[Any]) -> Pixels:
        blurred, deviation, shrunk, share, compressed, quality = torch.rand(6).tolist()
        side = pixels.shape[0]
        if blurred < self.BLURRED:
            sigma = max(0.2, deviation * self.BLUR * side)
            pixels = cv2.GaussianBlur(pixels, (0, 0), sigma)
        if shrunk < self.SHRUNK:
            small = max(1, round(side * (self.SMALLEST + (1 - self.SMALLEST) * share)))
            pixels = cv2.resize(pixels, (small, small), interpolation=cv2.INTER_AREA)
            pixels = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_LINEAR)
        if compressed < self.COMPRESSED:
            level = round(self.WORST + (self.BEST - self.WORST) * quality)
            _, file = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, level])
            pixels = np.ascontiguousarray(
                np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))[..., ::-1]
            )
        return np.asarray(pixels, dtype=np.uint8)


def _rotate(square: Tensor, degrees: float) -> Tensor:
    pixels = square.permute(1, 2, 0).contiguous().numpy()
    height, width, _ = pixels.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return torch.from_numpy(_warped(pixels, turn)).permute(2, 0, 1)


def _warped(pixels: Pixels, matrix: npt.NDArray[Any]) -> Pixels:
    """Move each pixel (x, y) to ``matrix @ (x, y, 1)``: bilinear, and black where nothing was."""
    height, width, _ = pixels.shape
    return np.asarray(cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR))
