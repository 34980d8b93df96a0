"""The progress of a run: its saved state, its outcome and its TensorBoard events."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import torch
from torch import Tensor

from retina import distributed
from retina.errors import CheckpointError
from retina.files import replacing

STATE_FILE = "state.pt"


class Settings(Protocol):
    """Settings that must be the same when a run is resumed."""

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON-serialisable values."""


@dataclass
class Progress:
    """The progress of a run.

    ``batch``, ``loss_sum``, ``correct``, ``seen``, ``seconds`` and ``waiting`` (seconds spent
    waiting for data) are sums over the current epoch; ``history`` has a row per finished epoch.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    waiting: float = 0.0
    best_epoch: int = 0
    best_kappa: float = -2.0
    history: list[dict[str, float | int | None]] = field(default_factory=list)

    @property
    def loss(self) -> float:
        """Mean loss of the current epoch in this process."""
        return self.loss_sum / self.seen

    @property
    def accuracy(self) -> float:
        """Accuracy of the current epoch in this process."""
        return self.correct / self.seen

    def add(self, loss: float, correct: int, count: int) -> None:
        """Add the mean loss and the correct predictions of a step of ``count`` images."""
        self.loss_sum += loss * count
        self.correct += correct
        self.seen += count

    def totals(self) -> tuple[float, float]:
        """Mean loss and accuracy of the current epoch over all processes."""
        sums = distributed.gather((self.loss_sum, self.correct, self.seen))
        loss_sum, correct, seen = (sum(column) for column in zip(*sums, strict=True))
        return loss_sum / seen, correct / seen

    def begin_epoch(self, epoch: int, batch: int = 0) -> None:
        """Reset the sums."""
        self.epoch, self.batch = epoch, batch
        self.loss_sum, self.correct, self.seen = 0.0, 0, 0
        self.seconds, self.waiting = 0.0, 0.0


@dataclass(frozen=True)
class Outcome:
    """The weights of the best epoch, and a history with a row per epoch."""

    best_weights: dict[str, Tensor]
    best_epoch: int
    history: pd.DataFrame


def write_state(
    folder: Path, settings: Settings, state: dict[str, Any], name: str = STATE_FILE
) -> None:
    """Write a state file atomically.

    Raises:
        OSError: It cannot be written; an older file is unchanged.
    """
    data = io.BytesIO()  # On a full disk, torch.save raises a RuntimeError without a reason.
    torch.save({"settings": settings.to_json(), **state}, data)
    with replacing(folder / name) as temporary:
        temporary.write_bytes(data.getbuffer())


def read_state(folder: Path, settings: Settings, name: str = STATE_FILE) -> dict[str, Any] | None:
    """Read a state file; None if there is none.

    Raises:
        CheckpointError: It cannot be read, or belongs to a run with other settings.
    """
    file = folder / name
    if not file.exists():
        return None
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        before = state.pop("settings")
    except Exception as error:
        raise CheckpointError(
            f"{file} cannot be resumed from ({type(error).__name__}): delete it to train this run "
            "again"
        ) from error
    if before != settings.to_json():
        raise CheckpointError(f"{file} belongs to a run with other settings: name another --output")
    return dict(state)


class EventLog:
    """A writer of TensorBoard events to ``folder/tensorboard``.

    Does nothing if the package ``tensorboard`` is not installed, or in a process that is not the
    writer.
    """

    def __init__(self, folder: Path) -> None:
        self.writer = None
        if distributed.is_writer():
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self.writer = SummaryWriter(folder / "tensorboard")

    def write(self, row: dict[str, float | int | None]) -> None:
        """Write a row of the history."""
        if self.writer is not None:
            for name, value in row.items():
                if name != "epoch" and value is not None:
                    self.writer.add_scalar(name, value, row["epoch"])
            self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()
