"""Sampling of batches, and their transfer to the device."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from retina.datasets.dataset import RetinopathyDataset, Squares
from retina.errors import InputError, SettingsError
from retina.images.prepare import Preprocessing
from retina.process import silence_libraries
from retina.signals import leave_to_parent

Sampling = Literal["none", "over", "under", "balanced", "sqrt"]
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)

Order = npt.NDArray[np.int64]


class EpochBatches(Sampler[list[tuple[int, int, int]]]):
    """A sampler of batches of ``(index, epoch, before)``, whose order depends on seed and epoch.

    ``before`` counts how often the epoch has already used the image, which is augmented differently
    each time. An epoch holds, in random order, by ``sampling``:

    - ``none``: every image once.
    - ``over``: every grade as often as the most frequent one, by repeating its images.
    - ``under``: every grade as often as the rarest one, with other images in every epoch.
    - ``balanced`` and ``sqrt``: as many as there are, drawn with replacement, every grade equally
      often or in proportion to the square root of its frequency. Of several sources, the source
      is drawn in the same way first, then the grade within it.

    An incomplete last batch is dropped, unless it is the only one. Set ``epoch`` before iterating,
    and ``first_batch`` to continue within an epoch.

    Args:
        grades: The grade of each image; at least one.
        batch_size: Images per step, over all processes.
        seed: The seed of the run.
        sampling: One of ``SAMPLINGS``.
        rank: The rank of this process.
        processes: Number of processes; each takes every ``processes``-th image of a batch.
        sources: The source of each image; None if there is only one.

    Raises:
        SettingsError: There are fewer images, or images per step, than processes.
    """

    def __init__(
        self,
        grades: Sequence[int],
        batch_size: int,
        seed: int,
        sampling: Sampling = "none",
        rank: int = 0,
        processes: int = 1,
        sources: Sequence[str] | None = None,
    ) -> None:
        of_grade = np.asarray(grades)
        of_source = np.asarray(sources if sources is not None else [""] * len(of_grade))
        self.by_grade = [np.flatnonzero(of_grade == grade) for grade in sorted(set(grades))]
        self.by_source = [
            [own for group in self.by_grade if len(own := group[of_source[group] == source])]
            for source in sorted(set(of_source.tolist()))
        ]
        self.sampling = sampling
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.pictures = len(self._order(0))
        self.batch_size = min(batch_size, self.pictures) // processes * processes
        if not self.batch_size:
            raise SettingsError(
                f"{self.pictures} training images are too few for {processes} processes: start "
                "fewer processes"
            )
        self.epoch = 0
        self.first_batch = 0

    def __len__(self) -> int:
        """Number of batches in a whole epoch."""
        return self.pictures // self.batch_size

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        order = pd.Series(self._order(self.epoch))
        keys = [*zip(order.tolist(), order.groupby(order).cumcount().tolist(), strict=True)]
        for batch in range(self.first_batch, len(self)):
            chosen = keys[batch * self.batch_size : (batch + 1) * self.batch_size]
            mine = chosen[self.rank :: self.processes]
            yield [(index, self.epoch, before) for index, before in mine]

    def _order(self, epoch: int) -> Order:
        random = np.random.default_rng((self.seed, epoch))
        sizes = np.array([len(indices) for indices in self.by_grade])
        if self.sampling == "none":
            return random.permutation(np.concatenate(self.by_grade))
        if self.sampling in ("over", "under"):
            wanted = sizes.max() if self.sampling == "over" else sizes.min()
            chosen = [_repeat(indices, int(wanted), random) for indices in self.by_grade]
            return random.permutation(np.concatenate(chosen))
        groups = [group for source in self.by_source for group in source]
        drawn = random.choice(len(groups), size=sizes.sum(), p=self._shares())
        return np.array([random.choice(groups[group]) for group in drawn])

    def _shares(self) -> npt.NDArray[np.float64]:
        """The probability of each grade of each source."""
        power = 0.0 if self.sampling == "balanced" else 0.5
        of_source = _in_proportion([sum(map(len, source)) for source in self.by_source], power)
        of_grade = [_in_proportion([*map(len, source)], power) for source in self.by_source]
        return np.concatenate(
            [share * shares for share, shares in zip(of_source, of_grade, strict=True)]
        )


def _in_proportion(sizes: Sequence[int], power: float) -> npt.NDArray[np.float64]:
    weights: npt.NDArray[np.float64] = np.asarray(sizes, dtype=np.float64) ** power
    return np.asarray(weights / weights.sum())


def _repeat(indices: Order, count: int, random: np.random.Generator) -> Order:
    """Draw ``count`` of ``indices``, each as often as every other, to within one."""
    rounds = [random.permutation(indices) for _ in range(-(-count // len(indices)))]
    return np.concatenate(rounds)[:count]


def epochs_of(
    pictures: RetinopathyDataset, batches: EpochBatches, workers: int, device: torch.device
) -> "DataLoader[tuple[torch.Tensor, int]]":
    """Return a loader of (n, H, W, 3) uint8 squares and (n,) grades; an iteration is an epoch.

    Args:
        pictures: The images.
        batches: The sampler.
        workers: Number of loading processes, which persist between epochs; 0 loads in this one.
        device: The device that the batches will be copied to.
    """
    return DataLoader(
        Squares(pictures),
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),
        worker_init_fn=_start_worker,
    )


@contextmanager
def ending_workers(loader: "DataLoader[tuple[torch.Tensor, int]]") -> Iterator[None]:
    """End the worker processes of a loader after the block, however it ends.

    They ignore SIGTERM, so Python would wait for them at its end where a traceback still holds the
    loader.
    """
    try:
        yield
    finally:
        if loader.num_workers and (iterator := loader._iterator) is not None:
            iterator._shutdown_workers()  # type: ignore[attr-defined]
            loader._iterator = None


def _start_worker(worker: int) -> None:
    silence_libraries()
    leave_to_parent(worker)


@contextmanager
def in_own_words() -> Iterator[None]:
    """Re-raise the errors of the loader's workers as if they came from this process.

    Raises:
        InputError: A photograph cannot be used; of the subclass that the worker raised.
        ChildProcessError: A worker has died.
        OSError: A worker could not read or write.
    """
    try:
        yield
    except (InputError, OSError) as error:
        if not str(error).startswith("Caught "):
            raise
        _, _, words = str(error).rpartition(f"{type(error).__qualname__}: ")
        raise type(error)(words.strip()) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ChildProcessError(
            "a data-loading process was killed, most likely because memory ran out: continue with "
            "--resume and fewer --workers; the last good state is kept"
        ) from None


Batch = tuple[Tensor, Tensor]


def upload(
    batches: Iterable[Batch], preprocessing: Preprocessing, device: torch.device
) -> Iterator[Batch]:
    """Copy batches to the device and normalise them; on CUDA, while the previous one is in use.

    Args:
        batches: (n, H, W, 3) uint8 squares and (n,) grades, in pinned memory if ``device`` is CUDA.
        preprocessing: The mean and standard deviation to normalise by.
        device: The target device.

    Yields:
        (n, 3, H, W) float32 images, normalised, channels-last; and (n,) grades.
    """
    if device.type != "cuda":
        for squares, grades in batches:
            yield normalised(squares.to(device), preprocessing), grades.to(device)
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    held: Batch | None = None
    for squares, grades in batches:
        with torch.cuda.stream(copying):
            images = normalised(squares.to(device, non_blocking=True), preprocessing)
            coming = images, grades.to(device, non_blocking=True)
        if held is not None:
            yield held
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(copying)
        for tensor in coming:
            tensor.record_stream(computing)
        held = coming
    if held is not None:
        yield held


def normalised(squares: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Normalise squares as ``retina.images.prepare.normalise`` does, bit for bit on a CPU.

    Args:
        squares: (n, H, W, 3) uint8, on any device.
        preprocessing: The mean and standard deviation to normalise by.

    Returns:
        (n, 3, H, W) float32, channels-last, on the same device.
    """
    mean, std = (
        torch.tensor(each, dtype=torch.float32, device=squares.device)
        for each in (preprocessing.mean, preprocessing.std)
    )
    return squares.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)
