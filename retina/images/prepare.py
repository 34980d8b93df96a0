"""Preprocessing, the same for training, evaluation, shell and page."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from retina.errors import SettingsError
from retina.images.field_of_view import FieldOfView, find_retina

Interpolation = Literal["bilinear", "bicubic", "lanczos", "box"]
Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
MIN_SIZE, MAX_SIZE = 32, 2048
_LARGEST = 1e9

# Raise it whenever the same file and settings give other pixels, so that caches start afresh.
GEOMETRY_VERSION = 4


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing settings, which every checkpoint carries.

    Attributes:
        crop: Whether to cut the image to the retina.
        size: Side of the square, 32 to 2048 pixels.
        interpolation: Pillow's filter for resizing; each averages over all pixels that it
            shrinks, so small lesions fade but do not flicker.
        mean: Of red, green and blue, each 0 to 1, subtracted.
        std: Of red, green and blue, each above 0, divided by.

    Raises:
        SettingsError: A value is outside its range.
    """

    crop: bool = True
    size: int = 512
    interpolation: Interpolation = "bilinear"
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD

    def __post_init__(self) -> None:
        if not isinstance(self.crop, bool):
            raise SettingsError(f"preprocessing: crop is true or false, not {self.crop!r}.")
        if type(self.size) is not int or not MIN_SIZE <= self.size <= MAX_SIZE:
            raise SettingsError(
                f"preprocessing: size is a whole number of pixels from {MIN_SIZE} to {MAX_SIZE}, "
                f"not {self.size!r}."
            )
        if self.interpolation not in get_args(Interpolation):
            raise SettingsError(
                f"preprocessing: interpolation is one of {', '.join(get_args(Interpolation))}, "
                f"not {self.interpolation!r}."
            )
        object.__setattr__(self, "mean", _triple("mean", self.mean))
        object.__setattr__(self, "std", _triple("std", self.std))
        if not all(0 <= value <= 1 for value in self.mean):
            raise SettingsError(f"preprocessing: mean lies between 0 and 1, not {self.mean}.")
        if not all(value > 0 for value in self.std):
            raise SettingsError(f"preprocessing: std is above 0, not {self.std}.")

    @property
    def at_least(self) -> int:
        """The argument of ``read_photograph`` that leaves enough pixels after the crop."""
        return 2 * self.size

    @property
    def geometry(self) -> str:
        """A name, safe in a path, of all settings that determine the pixels of the square."""
        extent = "retina" if self.crop else "whole"
        return f"v{GEOMETRY_VERSION}-{extent}-{self.size}-{self.interpolation}"

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready values, as ``config.json`` holds them."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Preprocessing":
        """The settings that ``to_json`` wrote.

        Raises:
            SettingsError: A setting is missing, unknown or outside its range.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(values, dict) or set(values) != set(known):
            raise SettingsError(f"preprocessing holds exactly {', '.join(known)}.")
        return cls(**values)


def prepare_square(
    image: Image.Image, settings: Preprocessing, retina: FieldOfView | None = None
) -> Image.Image:
    """Crop to the retina, if so set, and resize to a square.

    The aspect is given up on purpose: APTOS is shipped squashed to squares, and a disc cropped to
    its bounding box and resized to a square is the same disc in every data set.

    Args:
        image: Upright RGB.
        settings: ``crop``, ``size`` and ``interpolation`` count.
        retina: What ``find_retina`` found in the image; looked for if None.

    Returns:
        RGB, ``size`` x ``size``.
    """
    box = (retina or find_retina(image)).box if settings.crop else None
    resample = Image.Resampling[settings.interpolation.upper()]
    return image.resize((settings.size, settings.size), resample, box=box)


def normalise(
    square: Image.Image | npt.NDArray[np.uint8], settings: Preprocessing
) -> npt.NDArray[np.float32]:
    """Scale to 0..1, subtract the mean, divide by the standard deviation.

    Args:
        square: (H, W, 3) uint8, or the image of it.
        settings: ``mean`` and ``std`` count.

    Returns:
        (3, H, W) float32, contiguous.
    """
    pixels = np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1), dtype=np.float32)
    mean = np.array(settings.mean, dtype=np.float32).reshape(3, 1, 1)
    std = np.array(settings.std, dtype=np.float32).reshape(3, 1, 1)
    pixels /= 255
    pixels -= mean
    pixels /= std
    return pixels


def _triple(name: str, values: object) -> Triple:
    wrong = SettingsError(f"preprocessing: {name} is three numbers, not {values!r}.")
    if not isinstance(values, list | tuple) or len(values) != 3:
        raise wrong
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong
        if not -_LARGEST <= value <= _LARGEST:  # nor NaN, nor a number of hundreds of digits
            raise wrong
    return cast(Triple, tuple(float(value) for value in values))
