"""What the machine refuses is one sentence and status 1, and the last good state is kept."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from retina.datasets.synthetic import write_synthetic
from retina.training import trainer
from retina.training.trainer import Trainer
from tests.cli.shell import Answer, retina

Shell = pytest.CaptureFixture[str]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and signals of POSIX")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine") / "drawn"
    write_synthetic(folder, count=40, size=64)
    return folder


def train(capsys: Shell, photographs: Path, output: Path, *flags: str) -> Answer:
    sizes = ["--epochs", "2", "--batch-size", "8", "--image-size", "32", "--lr", "0.01"]
    where = ["--data", str(photographs), "--output", str(output), "--device", "cpu"]
    return retina(capsys, "train", "--scratch", "--model", "resnet18", *sizes, *where, *flags)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def one_sentence(answer: Answer, status: int) -> str:
    assert answer.status == status, answer.err
    assert "Traceback" not in answer.err
    [sentence] = answer.errors
    return sentence


@pytest.mark.long
def test_training_into_a_full_disk_goes_on_when_there_is_room(
    photographs: Path, tmp_path: Path, capsys: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "run"
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_SAVES", 0.0)
    with largest_file(30_000_000):  # the state of a ResNet-18 with momentum has 90 MB
        assert "File too large" in one_sentence(train(capsys, photographs, output), 1)
    assert not list(output.rglob("*.part"))
    assert not (output / "resnet18-scratch" / "state.pt").exists()
    assert train(capsys, photographs, output, "--resume").status == 0


def test_triage_into_a_full_disk_goes_on_when_there_is_room(
    photographs: Path, checkpoints: Path, tmp_path: Path, capsys: Shell
) -> None:
    output = tmp_path / "worklist.csv"
    flags = ["--model", "small", "--checkpoints", str(checkpoints), "--output", str(output)]
    with largest_file(8_000):
        answer = retina(capsys, "triage", str(photographs), *flags)
    assert "File too large" in one_sentence(answer, 1)
    assert not output.exists()
    answer = retina(capsys, "triage", str(photographs), *flags)
    assert answer.status == 0
    assert "of 40 photographs were already graded" in answer.err
    assert len(output.read_text().splitlines()) == 41


def test_a_small_disk_that_fills_is_one_sentence(
    photographs: Path, tmp_path: Path, capsys: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.call(mount, stderr=subprocess.DEVNULL) != 0:
        pytest.skip("only root may mount a small disk")
    try:
        monkeypatch.setenv("RETINA_CACHE", str(disk / "cache"))
        answer = retina(capsys, "prepare", str(photographs), "--image-size", "64")
        assert "No space left on device" in one_sentence(answer, 1)
        assert not list(disk.rglob("*.part"))
    finally:
        subprocess.check_call(["umount", str(disk)])


def test_a_folder_that_cannot_be_written_is_one_sentence(
    photographs: Path, checkpoints: Path, tmp_path: Path, capsys: Shell
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()  # a file for a folder: root may write in any folder
    flags = ["--model", "small", "--checkpoints", str(checkpoints)]
    where = ["--output", str(blocked / "worklist.csv")]
    one_sentence(retina(capsys, "triage", str(photographs), *flags, *where), 2)
    one_sentence(train(capsys, photographs, blocked / "run"), 2)


def test_a_loaders_worker_that_dies_is_one_sentence_and_costs_no_epoch(
    photographs: Path, tmp_path: Path, capsys: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def killing(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        if self.progress.epoch == 1:
            for worker in self.loader._iterator._workers:  # type: ignore[union-attr]
                os.kill(worker.pid, signal.SIGKILL)
                worker.join()
        return step(self, pictures, grades)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", killing)
        answer = train(capsys, photographs, tmp_path / "run", "--workers", "1")
    assert "a data-loading process was killed" in one_sentence(answer, 1)
    state = torch.load(tmp_path / "run" / "resnet18-scratch" / "state.pt", weights_only=True)
    assert state["progress"]["epoch"] == 1
    assert train(capsys, photographs, tmp_path / "run", "--resume").status == 0


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_photograph_that_vanishes_before_the_epoch_is_named(
    tmp_path: Path, capsys: Shell, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    data = tmp_path / "drawn"
    write_synthetic(data, count=40, size=64)
    fit = Trainer.fit

    def vanishing(self: Trainer, resume: bool = False) -> object:
        Path(self.loader.dataset.pictures.paths[0]).unlink()  # type: ignore[attr-defined]
        return fit(self, resume)

    monkeypatch.setattr(Trainer, "fit", vanishing)
    sentence = one_sentence(train(capsys, data, tmp_path / "run", "--workers", workers), 2)
    assert ".jpg" in sentence
    assert "Caught" not in sentence


def test_memory_that_ends_in_validation_is_one_sentence(
    photographs: Path, tmp_path: Path, capsys: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. " * 5)

    monkeypatch.setattr(trainer, "predict_logits", refuse)
    sentence = one_sentence(train(capsys, photographs, tmp_path / "run"), 1)
    assert sentence.startswith("out of memory")
