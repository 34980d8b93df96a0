"""TensorBoard's events, with a stand-in for its writer: the package is an extra."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from retina import distributed
from retina.training.watching import EventLog

MODULE = "torch.utils.tensorboard"
ROW: dict[str, float | int | None] = {"epoch": 2, "train_loss": 0.5, "validation_kappa": None}


class Writer:
    """Notes what it is told."""

    def __init__(self, folder: Path) -> None:
        self.told: list[object] = [folder]

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.told.append((name, value, step))

    def flush(self) -> None:
        self.told.append("flush")

    def close(self) -> None:
        self.told.append("close")


def test_a_row_is_written_by_its_epoch_without_what_is_undefined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MODULE, SimpleNamespace(SummaryWriter=Writer))
    log = EventLog(tmp_path)
    log.write(ROW)
    log.close()
    assert isinstance(log.writer, Writer)
    assert log.writer.told == [tmp_path / "tensorboard", ("train_loss", 0.5, 2), "flush", "close"]


@pytest.mark.parametrize("missing", [True, False], ids=["not installed", "not the writer"])
def test_without_the_package_or_in_another_process_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    module = None if missing else SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, MODULE, module)
    monkeypatch.setattr(distributed, "is_writer", lambda: missing)
    log = EventLog(tmp_path)
    log.write(ROW)
    log.close()
    assert log.writer is None
