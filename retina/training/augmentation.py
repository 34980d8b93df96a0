"""Data augmentation: random changes to a training image that leave its grade unchanged."""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

Pixels = npt.NDArray[np.uint8]

cv2.setNumThreads(0)  # A forked worker would wait forever for its parent's threads.


class LabAugmentation:
    """The lab's augmentation: flips with probability 1/2 each, and a rotation by up to 90 degrees.

    Uses torch's global CPU generator. The rotation is OpenCV's, with bilinear interpolation and
    black corners, which is four times as fast as Pillow's.
    """

    MAX_DEGREES = 90.0

    def __call__(self, square: Tensor) -> Tensor:
        """Augment a (3, H, W) uint8 image; the argument is not modified."""
        horizontal, vertical, turn = torch.rand(3).tolist()
        if horizontal < 0.5:
            square = F.horizontal_flip(square)
        if vertical < 0.5:
            square = F.vertical_flip(square)
        return _rotate(square, (2 * turn - 1) * self.MAX_DEGREES)


class CameraAugmentation:
    """Augmentation by what differs between cameras and clinics.

    A flip, a rotation by any angle, scaling and translation in one resampling; exposure, contrast,
    gamma and the gain of each channel; and, each for some images only, blur, reduced resolution
    and JPEG compression. Uses torch's global CPU generator.
    """

    SCALE = 0.15
    SHIFT = 0.05  # share of the side
    EXPOSURE = 0.2  # natural logarithm
    GAMMA = 0.15
    CONTRAST = 0.15
    GAIN = 0.1
    BLURRED, BLUR = 0.2, 1 / 160  # share of the images; largest sigma, as a share of the side
    SHRUNK, SMALLEST = 0.2, 0.4
    COMPRESSED, WORST, BEST = 0.3, 40, 95  # JPEG quality
    PIVOT = 0.4  # brightness that contrast does not change

    def __call__(self, square: Tensor) -> Tensor:
        """Augment a (3, H, H) uint8 image; the argument is not modified."""
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
        """A lookup table for each channel: (256, 1, 3)."""
        exposure, gamma, contrast, *gains = (2 * torch.rand(6) - 1).tolist()
        values = np.linspace(0, 1, 256) ** math.exp(self.GAMMA * gamma)
        values = (values - self.PIVOT) * (1 + self.CONTRAST * contrast) + self.PIVOT
        values[0] = 0.0  # The surroundings of the retina stay black.
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
    """Move each pixel (x, y) to ``matrix @ (x, y, 1)``, bilinearly, on a black background."""
    height, width, _ = pixels.shape
    return np.asarray(cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR))
