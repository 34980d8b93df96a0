import errno
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from retina import distributed
from retina.errors import CheckpointError
from retina.training.state import STATE_FILE, EventLog, Progress, read_state, write_state
from tests.training.runs import settings

STATE: dict[str, Any] = {"model": {"weight": torch.arange(3.0)}, "progress": vars(Progress())}


def test_progress_weighs_steps_by_their_pictures() -> None:
    progress = Progress()
    progress.add(2.0, correct=3, count=4)
    progress.add(1.0, correct=0, count=2)
    assert progress.totals() == (progress.loss, progress.accuracy) == (10 / 6, 3 / 6)


def test_a_new_epoch_forgets_the_sums_but_not_the_best() -> None:
    progress = Progress(history=[{"epoch": 1}], best_epoch=1, best_kappa=0.5, seconds=3.0)
    progress.add(2.0, correct=3, count=4)
    progress.begin_epoch(1)
    expected = Progress(epoch=1, history=[{"epoch": 1}], best_epoch=1, best_kappa=0.5)
    assert progress == expected


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_state(tmp_path, settings()) is None
    write_state(tmp_path, settings(), STATE)
    state = read_state(tmp_path, settings())
    assert state is not None
    assert state["progress"] == STATE["progress"]
    assert torch.equal(state["model"]["weight"], torch.arange(3.0))
    assert state.keys() == STATE.keys()
    assert [file.name for file in tmp_path.iterdir()] == [STATE_FILE]


@pytest.mark.parametrize("change", [{"lr": 0.02}, {"seed": 1}, {"epochs": 3}, {"amp": "auto"}])
def test_other_settings_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    write_state(tmp_path, settings(), STATE)
    with pytest.raises(CheckpointError, match="other settings"):
        read_state(tmp_path, settings(**change))


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("touched"),)


@pytest.mark.parametrize("kind", ["empty", "cut off", "text", "pickle", "no settings"])
def test_a_file_that_is_no_state_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / STATE_FILE
    if kind == "no settings":
        torch.save({"progress": {}}, file)
    else:
        write_state(tmp_path, settings(), STATE)
        whole = file.read_bytes()
        file.write_bytes(
            {
                "empty": b"",
                "cut off": whole[: len(whole) // 2],
                "text": b"state",
                "pickle": pickle.dumps(Malicious()),
            }[kind]
        )
    with pytest.raises(CheckpointError, match=r"state\.pt cannot be resumed from.*delete it"):
        read_state(tmp_path, settings())
    assert not Path("touched").exists()


def test_a_full_disk_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_state(tmp_path, settings(), STATE)
    before = (tmp_path / STATE_FILE).read_bytes()
    write_bytes = Path.write_bytes

    def full(path: Path, data: Any) -> int:
        write_bytes(path, bytes(data)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_state(tmp_path, settings(), {**STATE, "model": {"weight": torch.zeros(3)}})
    assert (tmp_path / STATE_FILE).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [STATE_FILE]


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
