"""TensorBoard's events, for those who have it installed."""

from pathlib import Path

from retina import distributed


class EventLog:
    """Writes the numbers of an epoch as TensorBoard events into ``folder/tensorboard``.

    Does nothing where the package ``tensorboard`` is missing, or in a process that does not write.
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
