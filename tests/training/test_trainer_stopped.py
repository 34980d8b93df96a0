"""A run that was stopped, or went wrong, keeps its last good state and goes on from there."""

import errno
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from retina.errors import CheckpointError, SettingsError
from retina.training import trainer as module
from retina.training.data import SplitData
from retina.training.state import STATE_FILE, Outcome, read_state
from retina.training.trainer import Trainer
from tests.training.runs import EPOCHS, STEPS, TIMES, same, settings, tiny_trainer


class StopError(Exception):
    """Stands for whatever ends a process."""


def stop_in_step(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    """Let the step of this number, from 0, raise ``error`` instead."""
    step, counted = Trainer.step, 0

    def counting(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal counted
        counted += 1
        if counted > number:
            raise error
        return step(self, pictures, grades)

    monkeypatch.setattr(Trainer, "step", counting)


@pytest.mark.parametrize("number", range(EPOCHS * STEPS))
def test_a_run_that_stopped_in_any_step_ends_as_if_it_had_not(
    parts: SplitData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: tuple[Trainer, Outcome],
    number: int,
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_SAVES", 0.0)
    with monkeypatch.context() as patch:
        stop_in_step(patch, number, StopError())
        with pytest.raises(StopError):
            tiny_trainer(parts, tmp_path / "run").fit()
    torch.manual_seed(99)
    resumed = tiny_trainer(parts, tmp_path / "run")
    if number:
        state = read_state(tmp_path / "run", resumed.settings)
        assert state is not None
        assert (state["progress"]["epoch"], state["progress"]["batch"]) == divmod(number, STEPS)
    outcome = resumed.fit(resume=True)
    assert same(outcome.best_weights, undisturbed[1].best_weights)
    assert same(resumed.model.state_dict(), undisturbed[0].model.state_dict())
    pd.testing.assert_frame_equal(
        outcome.history.drop(columns=TIMES), undisturbed[1].history.drop(columns=TIMES)
    )


def test_a_finished_run_resumes_to_its_end(
    parts: SplitData, undisturbed: tuple[Trainer, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, outcome = undisturbed
    stop_in_step(monkeypatch, 0, AssertionError("nothing is left to train"))
    again = tiny_trainer(parts, trainer.folder).fit(resume=True)
    assert again.best_epoch == outcome.best_epoch
    assert same(again.best_weights, outcome.best_weights)


def test_without_resume_a_state_is_not_looked_at(
    parts: SplitData, tmp_path: Path, undisturbed: tuple[Trainer, Outcome]
) -> None:
    trainer = tiny_trainer(parts, tmp_path / "run")
    (tmp_path / "run" / STATE_FILE).write_bytes(b"of another run")
    assert same(trainer.fit().best_weights, undisturbed[1].best_weights)


def test_a_state_of_other_settings_is_refused(
    parts: SplitData, undisturbed: tuple[Trainer, Outcome]
) -> None:
    with pytest.raises(CheckpointError, match="other settings"):
        tiny_trainer(parts, undisturbed[0].folder, lr=0.02).fit(resume=True)


def interrupt_in_step(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    step, counted = Trainer.step, 0

    def interrupting(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal counted
        counted += 1
        if counted == number:
            signal.raise_signal(signal.SIGINT)
        return step(self, pictures, grades)

    monkeypatch.setattr(Trainer, "step", interrupting)


@pytest.mark.parametrize("number", [1, 3, STEPS, STEPS + 2, 2 * STEPS])
def test_ctrl_c_finishes_the_step_and_keeps_it(
    parts: SplitData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: tuple[Trainer, Outcome],
    number: int,
) -> None:
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        interrupt_in_step(patch, number)
        with pytest.raises(KeyboardInterrupt):
            tiny_trainer(parts, tmp_path / "run").fit()
    assert signal.getsignal(signal.SIGINT) is before
    state = read_state(tmp_path / "run", settings())
    assert state is not None
    assert (state["progress"]["epoch"], state["progress"]["batch"]) == divmod(number, STEPS)
    outcome = tiny_trainer(parts, tmp_path / "run").fit(resume=True)
    assert same(outcome.best_weights, undisturbed[1].best_weights)


def test_a_second_ctrl_c_acts_at_once(
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second was not heard")

    monkeypatch.setattr(Trainer, "step", impatient)
    with pytest.raises(KeyboardInterrupt):
        tiny_trainer(parts, tmp_path / "run").fit()


def test_ctrl_c_reaches_the_workers_too_and_does_no_harm(
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A terminal sends it to every process of the group; a worker that died of it would be an error
    # of the loader's before the state is written.
    trainer = tiny_trainer(parts, tmp_path / "run", workers=1)
    step = Trainer.step

    def interrupting(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        if self.progress.batch == 1:
            for worker in self.loader._iterator._workers:  # type: ignore[union-attr]
                os.kill(worker.pid, signal.SIGINT)
        return step(self, pictures, grades)

    monkeypatch.setattr(Trainer, "step", interrupting)
    assert len(trainer.fit().history) == EPOCHS


def test_no_worker_outlives_a_run_that_fails(
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = tiny_trainer(parts, tmp_path / "run", workers=2)
    workers: list[Any] = []

    def failing(self: Trainer, *_: Tensor) -> tuple[Tensor, Tensor]:
        workers.extend(self.loader._iterator._workers)  # type: ignore[union-attr]
        raise SettingsError("it fails")

    monkeypatch.setattr(Trainer, "step", failing)
    with pytest.raises(SettingsError, match="it fails"):
        trainer.fit()
    assert len(workers) == 2
    assert not any(worker.is_alive() for worker in workers)


def fail_with_nan(monkeypatch: pytest.MonkeyPatch, number: int, weights: bool) -> None:
    """Let a step's loss be no number, or leave weights that are none."""
    step, counted = Trainer.step, 0

    def failing(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal counted
        counted += 1
        loss, right = step(self, pictures, grades)
        if counted != number:
            return loss, right
        if weights:
            torch.nn.init.constant_(self.model.get_parameter("fc.weight"), float("nan"))
            return loss, right
        return loss * float("nan"), right

    monkeypatch.setattr(Trainer, "step", failing)


@pytest.mark.parametrize("number", [1, 3, STEPS, STEPS + 1])
@pytest.mark.parametrize("weights", [False, True], ids=["loss", "weights"])
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_state(
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, weights: bool
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_SAVES", 0.0)
    fail_with_nan(monkeypatch, number, weights)
    trainer = tiny_trainer(parts, tmp_path / "run")
    with pytest.raises(SettingsError, match=r"no longer finite.*lower --lr than 0\.01"):
        trainer.fit()
    state = read_state(tmp_path / "run", trainer.settings)
    if number == 1:
        assert state is None
    else:
        assert state is not None
        assert all(value.isfinite().all() for value in state["model"].values())
        progress = state["progress"]
        assert STEPS * progress["epoch"] + progress["batch"] == number - 1


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=["cuda", "cpu", "cublas", "cudnn"],
)
def test_too_little_memory_names_the_batch_size(
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    stop_in_step(monkeypatch, 2, error)
    with pytest.raises(MemoryError, match=r"lower --batch-size \(now 8\)"):
        tiny_trainer(parts, tmp_path / "run").fit()


def test_another_error_of_torchs_stays_what_it_is(
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in_step(monkeypatch, 0, RuntimeError("a fault of ours"))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        tiny_trainer(parts, tmp_path / "run").fit()


def test_a_full_disk_ends_the_run_with_its_last_state(
    parts: SplitData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: tuple[Trainer, Outcome],
) -> None:
    write_bytes, written = Path.write_bytes, 0

    def full(path: Path, data: Any) -> int:
        nonlocal written
        written += 1
        if written == 2:
            write_bytes(path, bytes(data)[:1000])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            tiny_trainer(parts, tmp_path / "run").fit()
    state = read_state(tmp_path / "run", settings())
    assert state is not None
    assert state["progress"]["epoch"] == 1
    outcome = tiny_trainer(parts, tmp_path / "run").fit(resume=True)
    assert same(outcome.best_weights, undisturbed[1].best_weights)


def test_a_thread_may_train(parts: SplitData, tmp_path: Path) -> None:
    trainer = tiny_trainer(parts, tmp_path / "run")
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(trainer.fit).result()
    assert outcome.history["epoch"].tolist() == [1, 2]
