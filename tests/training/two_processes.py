"""What each of several processes finds: ``torchrun -m tests.training.two_processes DATA RUN OUT``.

Every process leaves ``OUT/RANK.pt``; a single one, called without ``torchrun``, leaves ``OUT/0.pt``
to compare with.
"""

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from retina import distributed
from retina.datasets.dataset import RetinopathyDataset
from retina.evaluation.evaluate import evaluate
from retina.evaluation.predict import predict_with_maps
from retina.models.checkpoint import load_checkpoint
from retina.training.data import SplitData, read_split_data
from retina.training.state import STATE_FILE
from retina.training.trainer import Trainer
from tests.training.runs import CPU, tiny_trainer


def one_step(parts: SplitData, folder: Path) -> dict[str, torch.Tensor]:
    """The averaged gradients of one step with batch-norm and dropout in evaluation mode."""
    trainer = tiny_trainer(parts, folder)
    trainer.network.eval()
    trainer.step(*next(trainer.uploaded()))
    return {
        name: value.grad
        for name, value in trainer.model.named_parameters()
        if value.grad is not None
    }


def dropout_masks(trainer: Trainer) -> list[torch.Tensor]:
    """What the dropout of each step will have kept, a row of booleans each, as training goes on."""
    masks: list[torch.Tensor] = []

    def note(dropout: torch.nn.Module, given: tuple[torch.Tensor], kept: torch.Tensor) -> None:
        if dropout.training:
            masks.append((kept == 0) & (given[0] != 0))

    trainer.model.get_submodule("dropout").register_forward_hook(note)
    return masks


def stopped_by_one(
    parts: SplitData, folder: Path
) -> tuple[int, dict[str, torch.Tensor], list[torch.Tensor]]:
    """When all stop as the last of them is signalled; weights and dropout once resumed."""
    trainer = tiny_trainer(parts, folder, epochs=1)
    masks = dropout_masks(trainer)
    step = trainer.step

    def told(*batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if trainer.progress.batch == 1 and distributed.rank() == distributed.processes() - 1:
            signal.raise_signal(signal.SIGTERM)
        return step(*batch)

    with mock.patch.object(trainer, "step", told), suppress(KeyboardInterrupt):
        trainer.fit()
    distributed.wait_for_all()
    resumed = tiny_trainer(parts, folder, epochs=1)
    more = dropout_masks(resumed)
    resumed.fit(resume=True)
    return trainer.progress.batch, resumed.model.state_dict(), masks + more


def findings(data: Path, run: Path, out: Path) -> dict[str, Any]:
    """Answers, figures, gradients and a small training."""
    parts = read_split_data([str(data)], 0)
    checkpoint = load_checkpoint(run)
    rows = parts.rows("test")
    answers = {}
    for count in (1, 11, 12):
        some = rows.iloc[:count]
        pictures = RetinopathyDataset(
            some["path"].tolist(), some["grade"].tolist(), checkpoint.config.preprocessing
        )
        answers[count] = [
            torch.from_numpy(answer)
            for answer in predict_with_maps(checkpoint.model, pictures, CPU)
        ]
    gradients = one_step(parts, out / "step")
    trainer = tiny_trainer(parts, out / f"run{distributed.rank()}", epochs=1)
    masks = dropout_masks(trainer)
    history = trainer.fit().history.iloc[0].to_dict()
    return {
        "processes": distributed.processes(),
        "answers": answers,
        "metrics": evaluate(checkpoint, rows, parts.cache, CPU).metrics,
        "gradients": gradients,
        "gathered": distributed.gather(distributed.rank()),
        "history": history,
        "masks": masks,
        "weights": trainer.model.state_dict(),
        "stopped": stopped_by_one(parts, out / "stopped"),
        "wrote": (out / f"run{distributed.rank()}" / STATE_FILE).exists(),
    }


def main(data: Path, run: Path, out: Path) -> None:
    """Find, and leave what was found."""
    with distributed.process_group(CPU):
        torch.save(findings(data, run, out), out / f"{distributed.rank()}.pt")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
