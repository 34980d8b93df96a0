import errno
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import cohen_kappa_score
from torch import Tensor

from retina.errors import CheckpointError, SettingsError
from retina.evaluation.predict import predict_logits
from retina.models.config import HISTORY_FILE
from retina.training import trainer as module
from retina.training.parts import Parts
from retina.training.state import STATE_FILE, Outcome, read_state
from retina.training.trainer import Trainer
from tests.training.runs import CPU, settings, tiny_trainer

EPOCHS = 2
STEPS = 5  # of an epoch
TIMES = ["seconds", "waiting_seconds"]


class StopError(Exception):
    """Stands for whatever ends a process."""


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


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


@pytest.fixture(scope="module")
def undisturbed(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Outcome]:
    trainer = tiny_trainer(parts, tmp_path_factory.mktemp("runs") / "undisturbed")
    return trainer, trainer.fit()


def test_history_has_a_row_an_epoch_also_on_disk(undisturbed: tuple[Trainer, Outcome]) -> None:
    trainer, outcome = undisturbed
    assert outcome.history["epoch"].tolist() == [1, 2]
    assert outcome.history.columns.tolist() == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "validation_kappa",
        "lr",
        *TIMES,
    ]
    written = pd.read_csv(trainer.folder / HISTORY_FILE)
    pd.testing.assert_frame_equal(written, outcome.history)
    assert outcome.history["lr"].tolist() == [0.01, 0.01]
    assert (outcome.history["waiting_seconds"] <= outcome.history["seconds"]).all()


def test_the_row_is_what_validation_says(undisturbed: tuple[Trainer, Outcome]) -> None:
    trainer, outcome = undisturbed
    logits = predict_logits(trainer.model, trainer.validation, CPU)
    truth, answers = np.asarray(trainer.validation.grades), logits.argmax(axis=1)
    row = outcome.history.iloc[-1]
    assert row["validation_accuracy"] == pytest.approx((answers == truth).mean())
    assert row["validation_kappa"] == pytest.approx(
        cohen_kappa_score(truth, answers, labels=range(5), weights="quadratic")
    )
    expected = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(truth))
    assert row["validation_loss"] == pytest.approx(float(expected), rel=1e-5)


def test_the_loop_is_a_plain_one(parts: Parts, tmp_path: Path) -> None:
    trainer = tiny_trainer(parts, tmp_path / "run", epochs=1)
    model = tiny_trainer(parts, tmp_path / "plain").model
    torch.manual_seed(0)
    outcome = trainer.fit()

    torch.manual_seed(0)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    losses, right = [], 0
    for pictures, grades in trainer.loader:
        logits = model(pictures)
        loss = F.cross_entropy(logits, grades)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
        right += int((logits.argmax(1) == grades).sum())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(outcome.best_weights[name], value, msg=name)
    row = outcome.history.iloc[0]
    assert row["train_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert row["train_accuracy"] == pytest.approx(right / 40)


@pytest.mark.parametrize(
    ("kappas", "best"),
    [
        ([0.1, 0.5, 0.3], 2),
        ([0.5, 0.2, 0.5], 1),
        ([-0.3, -0.2, -0.5], 2),
        ([None, None, None], 1),
        ([None, -0.9, None], 2),
    ],
)
def test_the_best_epoch_has_the_highest_kappa_and_of_equals_is_the_first(
    parts: Parts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kappas: list[float | None],
    best: int,
) -> None:
    given = iter(kappas)
    weights: list[dict[str, Tensor]] = []
    trainer = tiny_trainer(parts, tmp_path / "run", epochs=3)

    def kappa(truth: object, answers: object) -> float | None:
        weights.append({name: v.clone() for name, v in trainer.model.state_dict().items()})
        return next(given)

    monkeypatch.setattr(module, "quadratic_weighted_kappa", kappa)
    outcome = trainer.fit()
    assert outcome.best_epoch == best
    assert same(outcome.best_weights, weights[best - 1])
    assert not same(weights[0], weights[2])


def test_the_modern_recipe_changes_rate_and_size(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = tiny_trainer(parts, tmp_path / "run", recipe="modern", lr=0.1, image_size=64)
    seen: list[tuple[int, float]] = []

    def network(pictures: Tensor) -> Tensor:
        seen.append((pictures.shape[-1], trainer.optimizer.param_groups[0]["lr"]))
        logits: Tensor = trainer.model(pictures)
        return logits

    monkeypatch.setattr(trainer, "network", network)
    trainer.fit()
    steps = EPOCHS * STEPS
    assert [lr for _, lr in seen] == [
        0.1 * trainer.recipe.lr_factor(step, steps) for step in range(steps)
    ]
    # The pictures given are of 32 pixels, so that both sizes are made from them.
    assert [side for side, _ in seen] == [32] * STEPS + [64] * STEPS
    assert trainer.optimizer.param_groups[0]["nesterov"]


def test_the_seed_decides_the_weights(
    parts: Parts, tmp_path: Path, undisturbed: tuple[Trainer, Outcome]
) -> None:
    _, outcome = undisturbed
    again = tiny_trainer(parts, tmp_path / "again").fit()
    assert same(again.best_weights, outcome.best_weights)
    pd.testing.assert_frame_equal(
        again.history.drop(columns=TIMES), outcome.history.drop(columns=TIMES)
    )
    other = tiny_trainer(parts, tmp_path / "other", seed=1).fit()
    assert not same(other.best_weights, outcome.best_weights)


def test_workers_change_nothing(
    parts: Parts, tmp_path: Path, undisturbed: tuple[Trainer, Outcome]
) -> None:
    outcome = tiny_trainer(parts, tmp_path / "run", workers=2).fit()
    assert same(outcome.best_weights, undisturbed[1].best_weights)


@pytest.mark.parametrize("number", range(EPOCHS * STEPS))
def test_a_run_that_stopped_in_any_step_ends_as_if_it_had_not(
    parts: Parts,
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
    parts: Parts, undisturbed: tuple[Trainer, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, outcome = undisturbed
    stop_in_step(monkeypatch, 0, AssertionError("nothing is left to train"))
    again = tiny_trainer(parts, trainer.folder).fit(resume=True)
    assert again.best_epoch == outcome.best_epoch
    assert same(again.best_weights, outcome.best_weights)


def test_without_resume_a_state_is_not_looked_at(
    parts: Parts, tmp_path: Path, undisturbed: tuple[Trainer, Outcome]
) -> None:
    trainer = tiny_trainer(parts, tmp_path / "run")
    (tmp_path / "run" / STATE_FILE).write_bytes(b"of another run")
    assert same(trainer.fit().best_weights, undisturbed[1].best_weights)


def test_a_state_of_other_settings_is_refused(
    parts: Parts, undisturbed: tuple[Trainer, Outcome]
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
    parts: Parts,
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
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second was not heard")

    monkeypatch.setattr(Trainer, "step", impatient)
    with pytest.raises(KeyboardInterrupt):
        tiny_trainer(parts, tmp_path / "run").fit()


def test_ctrl_c_reaches_the_workers_too_and_does_no_harm(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, weights: bool
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_SAVES", 0.0)
    fail_with_nan(monkeypatch, number, weights)
    trainer = tiny_trainer(parts, tmp_path / "run")
    with pytest.raises(SettingsError, match=r"no longer a number.*lower --lr than 0\.01"):
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
    ],
    ids=["cuda", "cpu"],
)
def test_too_little_memory_names_the_batch_size(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    stop_in_step(monkeypatch, 2, error)
    with pytest.raises(MemoryError, match=r"lower --batch-size \(now 8\)"):
        tiny_trainer(parts, tmp_path / "run").fit()


def test_another_error_of_torchs_stays_what_it_is(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in_step(monkeypatch, 0, RuntimeError("a fault of ours"))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        tiny_trainer(parts, tmp_path / "run").fit()


def test_a_full_disk_ends_the_run_with_its_last_state(
    parts: Parts,
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


def test_the_log_says_how_the_epoch_went(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_trainer(parts, tmp_path / "run", epochs=1).fit()
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 1: training accuracy" in err
    assert "of it waiting for data" in err
    assert "resnet18-scratch epoch 1/1" in err
