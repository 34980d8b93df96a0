"""Batches from a loader's workers, and what goes wrong in one said as if there were no worker."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.data import DataLoader

from retina.datasets.dataset import RetinopathyDataset, Squares
from retina.datasets.sampling import EpochBatches
from retina.errors import InputError
from retina.signals import leave_to_parent


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
        worker_init_fn=leave_to_parent,
    )


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
