from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import cohen_kappa_score
from torch import Tensor

from retina.evaluation.predict import predict_logits
from retina.models.config import HISTORY_FILE
from retina.training import trainer as module
from retina.training.data import SplitData
from retina.training.state import Outcome
from retina.training.trainer import Trainer, mean_kappa
from tests.training.runs import CPU, EPOCHS, STEPS, TIMES, same, tiny_trainer


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


def test_the_loop_is_a_plain_one(parts: SplitData, tmp_path: Path) -> None:
    trainer = tiny_trainer(parts, tmp_path / "run", epochs=1)
    model = tiny_trainer(parts, tmp_path / "plain").model
    torch.manual_seed(0)
    outcome = trainer.fit()

    torch.manual_seed(0)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    losses, right = [], 0
    for pictures, grades in trainer.uploaded():
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
    parts: SplitData,
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
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_the_seed_decides_the_weights(
    parts: SplitData, tmp_path: Path, undisturbed: tuple[Trainer, Outcome]
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
    parts: SplitData, tmp_path: Path, undisturbed: tuple[Trainer, Outcome]
) -> None:
    outcome = tiny_trainer(parts, tmp_path / "run", workers=2).fit()
    assert same(outcome.best_weights, undisturbed[1].best_weights)


def test_losses_are_read_once_an_epoch_at_least_and_that_changes_nothing(
    parts: SplitData,
    tmp_path: Path,
    undisturbed: tuple[Trainer, Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for seconds, seen in ((3600.0, [0] * 5), (-1.0, [0, 8, 16, 24, 32])):
        monkeypatch.setattr(module, "SECONDS_BETWEEN_READS", seconds)
        trainer = tiny_trainer(parts, tmp_path / f"run{seconds}")
        step, before = trainer.step, []

        def noting(*batch: Tensor) -> tuple[Tensor, Tensor]:
            before.append(trainer.progress.seen)  # noqa: B023
            return step(*batch)  # noqa: B023

        monkeypatch.setattr(trainer, "step", noting)
        outcome = trainer.fit()
        assert before == seen * EPOCHS
        pd.testing.assert_frame_equal(
            outcome.history.drop(columns=TIMES), undisturbed[1].history.drop(columns=TIMES)
        )


def test_the_log_says_how_the_epoch_went(
    parts: SplitData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_trainer(parts, tmp_path / "run", epochs=1).fit()
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 1: training accuracy" in err
    assert "of it waiting for data" in err
    assert "resnet18-scratch epoch 1/1" in err


def test_the_epoch_is_chosen_by_the_mean_of_the_sources_kappas() -> None:
    grades = np.array([0, 1, 2, 3, 4, 0, 2, 4])
    predicted = np.array([0, 1, 2, 3, 4, 4, 2, 0])
    mean, by_source = mean_kappa(grades, predicted, ["a"] * 5 + ["b"] * 3)
    assert by_source == {"a": pytest.approx(1), "b": pytest.approx(-1)}
    assert mean == pytest.approx(0)
    whole, alone = mean_kappa(grades, predicted, [""] * 8)
    assert whole == pytest.approx(cohen_kappa_score(grades, predicted, weights="quadratic"))
    assert alone == {}
    undefined, _ = mean_kappa(np.zeros(2, int), np.zeros(2, int), ["", ""])
    assert undefined is None
