"""Which pictures make up each batch: decided by seed and epoch alone, so that a run can resume."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of ``(index, epoch)`` in an order that depends only on seed and epoch.

    The set is shuffled anew each epoch. The last batch is left out where it is not full, unless it
    is the only one. Set ``epoch``, and ``first_batch`` to go on inside an epoch, before iterating.

    Args:
        count: Pictures in the set, at least 1.
        batch_size: Pictures in a batch, at least 1.
        seed: Of the run.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self.count = count
        self.batch_size = min(batch_size, count)
        self.seed = seed
        self.epoch = 0
        self.first_batch = 0

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        return self.count // self.batch_size

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        for batch in range(self.first_batch, len(self)):
            chosen = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield [(index, self.epoch) for index in chosen.tolist()]
