"""The PyTorch data set of photographs and grades."""

import operator
import os
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from retina.datasets.cache import PreparedCache, channel_statistics, prepared_square
from retina.errors import DataError
from retina.images.prepare import Preprocessing, normalise
from retina.scale import NUM_GRADES

__all__ = ["Augmentation", "RetinopathyDataset", "Squares", "channel_statistics"]

Augmentation = Callable[[Tensor], Tensor]


class RetinopathyDataset(Dataset[tuple[Tensor, int]]):
    """Normalised squares and grades of photographs.

    A key is an index, ``(index, epoch)``, or ``(index, epoch, before)``, where the epoch has shown
    the photograph ``before`` times already. The augmentation depends on seed and key alone, not on
    the worker or the order, and leaves torch's generator as it was. It comes before
    the normalisation.

    Args:
        paths: Paths of the photographs.
        grades: Of each, 0 to 4.
        preprocessing: What the network's checkpoint will carry.
        augment: Takes and gives a (3, H, W) uint8 square, drawing from torch's CPU generator; None
            for none, as in validation and test.
        seed: Seed of the augmentation, at least 0.
        cache: Where prepared squares are kept; None to prepare the photograph each time.
        sources: Which source each photograph comes from; None where there is one alone.

    Raises:
        DataError: Paths and grades differ in number, or a grade is not one of the scale's.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from retina.datasets.dataset import RetinopathyDataset
        >>> from retina.images.prepare import Preprocessing
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "eye.png"
        ...     Image.new("RGB", (300, 200), (120, 60, 30)).save(path)
        ...     dataset = RetinopathyDataset([path], [2], Preprocessing(size=224))
        ...     square, grade = dataset[0]
        >>> tuple(square.shape), grade
        ((3, 224, 224), 2)
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        grades: Sequence[int],
        preprocessing: Preprocessing,
        augment: Augmentation | None = None,
        seed: int = 0,
        cache: PreparedCache | None = None,
        sources: Sequence[str] | None = None,
    ) -> None:
        self.paths = [os.fspath(path) for path in paths]
        self.grades = [int(grade) for grade in grades]
        if len(self.paths) != len(self.grades):
            raise DataError(
                f"{len(self.paths)} pictures have {len(self.grades)} grades; give one for each."
            )
        wrong = [grade for grade in self.grades if not 0 <= grade < NUM_GRADES]
        if wrong:
            raise DataError(f"A grade is {wrong[0]}; grades are 0 to {NUM_GRADES - 1}.")
        self.preprocessing = preprocessing
        self.augment = augment
        self.seed = seed
        self.cache = cache
        self.sources = [""] * len(self.paths) if sources is None else list(sources)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: int | tuple[int, ...]) -> tuple[Tensor, int]:
        """Prepare one photograph.

        Returns:
            The normalised square, (3, H, W) float32, and the grade.

        Raises:
            ImageError: The file cannot be used as a photograph.
            IndexError: There is no such photograph.
        """
        square, grade = self.square(key)
        return torch.from_numpy(normalise(square, self.preprocessing)), grade

    def square(self, key: int | tuple[int, ...]) -> tuple[npt.NDArray[np.uint8], int]:
        """The square before it is normalised, (H, W, 3) uint8, and the grade."""
        index, epoch, before = (*(key if isinstance(key, tuple) else (key,)), 0, 0)[:3]
        index = range(len(self))[operator.index(index)]
        square = prepared_square(self.paths[index], self.preprocessing, self.cache)
        if self.augment is not None:
            square = _augmented(square, self.augment, (self.seed, epoch, index, before))
        return square, self.grades[index]


class Squares(Dataset[tuple[Tensor, int]]):
    """The same photographs before normalisation: a quarter of the bytes to transfer.

    Args:
        pictures: The data set whose ``square`` is called.
    """

    def __init__(self, pictures: RetinopathyDataset) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, key: int | tuple[int, ...]) -> tuple[Tensor, int]:
        """The square, (H, W, 3) uint8, and the grade."""
        square, grade = self.pictures.square(key)
        return torch.from_numpy(np.ascontiguousarray(square)), grade


def _augmented(
    square: npt.NDArray[np.uint8], augment: Augmentation, origin: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    seed = int(np.random.SeedSequence(origin).generate_state(1, np.uint64)[0])
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also seed the generators of every GPU.
        torch.default_generator.manual_seed(seed)
        changed = augment(torch.from_numpy(square).permute(2, 0, 1))
    return changed.permute(1, 2, 0).numpy()
