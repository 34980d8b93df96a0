"""Which photographs make a batch, and its way to the device."""

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
    """Batches of ``(index, epoch, before)`` in an order that depends only on seed and epoch.

    ``before`` is how often the epoch has already shown the picture: it is changed anew each time.

    An epoch holds, in random order: with ``none`` every picture once; with ``over`` every grade as
    often as the most frequent one, its pictures repeated; with ``under`` every grade as often as
    the rarest, its pictures drawn anew each epoch; with ``balanced`` and ``sqrt`` as many pictures
    as there are, drawn with replacement, each grade equally often or in proportion to the square
    root of its frequency; of several sources each is drawn likewise, and the grade within it.

    The last batch is left out where it is not full, unless it is the only one. Set ``epoch``, and
    ``first_batch`` to go on inside an epoch, before iterating.

    Args:
        grades: Of the pictures, at least one.
        batch_size: Pictures a step, over all processes.
        seed: Of the run.
        sampling: One of ``SAMPLINGS``.
        rank: This process among those that share the batches.
        processes: How many they are; each takes every ``processes``-th picture of a batch.
        sources: Which source each picture comes from; None for one alone.

    Raises:
        SettingsError: there are fewer pictures, or fewer a step, than processes.
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
                f"{self.pictures} training pictures are too few for {processes} processes: start "
                "fewer of them"
            )
        self.epoch = 0
        self.first_batch = 0

    def __len__(self) -> int:
        """Batches in a whole epoch."""
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
        """How often each grade of each source is drawn; adds up to 1."""
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
    """``count`` of ``indices``, each as often as every other, to within one."""
    rounds = [random.permutation(indices) for _ in range(-(-count // len(indices)))]
    return np.concatenate(rounds)[:count]


def epochs_of(
    pictures: RetinopathyDataset, batches: EpochBatches, workers: int, device: torch.device
) -> "DataLoader[tuple[torch.Tensor, int]]":
    """A loader of squares and grades; each time it is gone through, it gives an epoch.

    Args:
        pictures: To draw from.
        batches: Which of them, in which order.
        workers: Processes that prepare batches and stay from epoch to epoch; 0 for none.
        device: Where the batches will be needed.
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


def _start_worker(worker: int) -> None:
    silence_libraries()
    leave_to_parent(worker)


@contextmanager
def in_own_words() -> Iterator[None]:
    """Take the loader's words, and the worker's traceback, off what is raised in the block.

    Raises:
        InputError: A photograph cannot be used; of the kind that the worker raised.
        ChildProcessError: A worker has died.
        OSError: The worker could not read or write.
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
            "a process that prepares photographs was ended from outside, most often for want of "
            "memory; go on with --resume and fewer --workers, the last good state is kept"
        ) from None


Batch = tuple[Tensor, Tensor]


def upload(
    batches: Iterable[Batch], preprocessing: Preprocessing, device: torch.device
) -> Iterator[Batch]:
    """Each batch on the device; on CUDA it is copied while the one before it is computed with.

    Args:
        batches: (n, H, W, 3) uint8 squares and (n,) grades, in pinned memory where ``device`` is
            CUDA.
        preprocessing: Its mean and deviation count.
        device: Where they are wanted.

    Yields:
        (n, 3, H, W) float32, normalised, channels-last; and the grades.
    """
    if device.type != "cuda":
        for squares, grades in batches:
            yield normalised(squares.to(device), preprocessing), grades.to(device)
        return
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    held: Batch | None = None
    for squares, grades in batches:
        with torch.cuda.stream(copying):
            pictures = normalised(squares.to(device, non_blocking=True), preprocessing)
            coming = pictures, grades.to(device, non_blocking=True)
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
    """What ``retina.images.prepare.normalise`` makes of each square, to the bit on the CPU.

    Args:
        squares: (n, H, W, 3) uint8, on any device.
        preprocessing: Its mean and deviation count.

    Returns:
        (n, 3, H, W) float32, channels-last, on the same device.
    """
    mean, std = (
        torch.tensor(each, dtype=torch.float32, device=squares.device)
        for each in (preprocessing.mean, preprocessing.std)
    )
    return squares.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)
