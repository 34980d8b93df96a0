"""Several processes of one task, as started by ``torchrun``; a single process does without."""

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from retina.errors import SettingsError

# Preparing the cache of a large data set is waited for by the other processes.
PATIENCE = datetime.timedelta(hours=12)


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the other processes that ``torchrun`` started, if any, and leave them at the end.

    Args:
        device: What was asked for.

    Yields:
        The device of this process: its own GPU where there are several.

    Raises:
        SettingsError: this machine has fewer GPUs than processes.
    """
    if "LOCAL_RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        if int(os.environ["LOCAL_RANK"]) >= torch.cuda.device_count():
            raise SettingsError(
                f"this machine has {torch.cuda.device_count()} GPUs, too few for a process each: "
                "start fewer with --nproc-per-node"
            )
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, 0 for the one that writes."""
    return dist.get_rank() if _active() else 0


def processes() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _active() else 1


def processes_here() -> int:
    """How many of them share this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if _active() else 1


def is_writer() -> bool:
    """Whether this process writes files and draws progress bars."""
    return rank() == 0


@contextmanager
def first_process_first() -> Iterator[None]:
    """Let the first process of each machine run the block first, so that others find its cache."""
    is_first = not _active() or int(os.environ["LOCAL_RANK"]) == 0
    if not is_first:
        wait_for_all()
    yield
    if is_first:
        wait_for_all()


def wait_for_all() -> None:
    """Wait until every process has called this."""
    if _active():
        dist.barrier()


def gather(part: Any) -> list[Any]:
    """Every process's ``part``, in the order of their ranks, at every process."""
    if not _active():
        return [part]
    parts: list[Any] = [None] * processes()
    dist.all_gather_object(parts, part)
    return parts


def greatest(number: int, device: torch.device) -> int:
    """The greatest of every process's ``number``, at every process; all of them have to ask."""
    if not _active():
        return number
    shared = torch.tensor(number, device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def share_buffers(model: nn.Module) -> None:
    """Give every process the first one's batch-norm statistics."""
    if _active():
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()
