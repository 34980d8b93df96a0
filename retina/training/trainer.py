"""One run: a network, its training part and its validation part become the best epoch's weights.

The order of the pictures and their augmentation depend on seed, epoch and index alone, and the
whole state is written atomically, so that a run that is killed at any moment and resumed ends, on
the CPU, with the very same weights as one that was not.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from retina.atomic import replacing, write_text
from retina.datasets.dataset import RetinopathyDataset
from retina.datasets.sampling import EpochBatches
from retina.errors import CheckpointError, SettingsError
from retina.evaluation.metrics import quadratic_weighted_kappa
from retina.evaluation.predict import predict_logits
from retina.training.config import RunSettings

STATE_FILE = "state.pt"
HISTORY_FILE = "history.csv"
MOMENTUM = 0.9
WEIGHT_DECAY = 0.0005
SECONDS_BETWEEN_SAVES = 120.0


@dataclass
class Progress:
    """How far a run has come; all of it is saved and resumed.

    ``loss_sum``, ``correct`` and ``seen`` add up over the epoch that is under way, ``seconds`` and
    ``waiting`` (for data) likewise.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    waiting: float = 0.0
    best_epoch: int = -1
    best_kappa: float = -2.0
    history: list[dict[str, float | int | None]] = field(default_factory=list)

    def begin_epoch(self, epoch: int) -> None:
        """Set the sums of the epoch under way to nothing."""
        self.epoch, self.batch = epoch, 0
        self.loss_sum, self.correct, self.seen = 0.0, 0, 0
        self.seconds, self.waiting = 0.0, 0.0


@dataclass(frozen=True)
class Outcome:
    """What a finished run leaves: the best epoch's weights and the history, a row an epoch."""

    best_weights: dict[str, Tensor]
    best_epoch: int
    history: pd.DataFrame


class Trainer:
    """Trains one network; ``fit`` does it, from the start or from what a folder holds.

    Args:
        settings: Of the run.
        model: With its initial weights.
        training: Its pictures, augmented.
        validation: Chooses the best epoch, by quadratic weighted kappa.
        folder: ``state.pt`` and ``history.csv`` are written there.
        device: Where to compute.
        workers: Processes that prepare batches; 0 for none.
    """

    def __init__(
        self,
        settings: RunSettings,
        model: nn.Module,
        training: RetinopathyDataset,
        validation: RetinopathyDataset,
        folder: Path,
        device: torch.device,
        workers: int = 0,
    ) -> None:
        self.settings = settings
        self.device = device
        self.workers = workers
        self.folder = folder
        self.validation = validation
        self.model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=settings.lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        self.progress = Progress()
        self.best_weights: dict[str, Tensor] = {}
        self.batches = EpochBatches(len(training), settings.batch_size, settings.seed)
        self.loader = DataLoader(
            training,
            batch_sampler=self.batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),
        )

    def fit(self, resume: bool = False) -> Outcome:
        """Train to the last epoch.

        Args:
            resume: Go on from ``state.pt`` where the folder holds one.

        Raises:
            CheckpointError: ``state.pt`` cannot be read, or belongs to other settings.
            SettingsError: the loss is no longer a number.
            KeyboardInterrupt: Ctrl-C; the step was finished and the state written first.
        """
        if resume and (self.folder / STATE_FILE).exists():
            self._restore()
        with _stop_on_interrupt() as interrupted:
            while self.progress.epoch < self.settings.epochs:
                self._train_epoch(interrupted)
                self._close_epoch()
                self._save()
                if interrupted() and self.progress.epoch < self.settings.epochs:
                    raise KeyboardInterrupt
        return Outcome(
            self.best_weights, self.progress.best_epoch, pd.DataFrame(self.progress.history)
        )

    def _train_epoch(self, interrupted: Callable[[], bool]) -> None:
        progress = self.progress
        self.batches.epoch, self.batches.first_batch = progress.epoch, progress.batch
        self.model.train()
        saved = mark = time.monotonic()
        with tqdm(
            total=len(self.batches) * self.batches.batch_size,
            initial=progress.batch * self.batches.batch_size,
            desc=f"{self.settings.name} epoch {progress.epoch + 1}/{self.settings.epochs}",
            unit=" pictures",
            mininterval=0.5,
        ) as bar:
            for pictures, grades in self.loader:
                arrived = time.monotonic()
                progress.waiting += arrived - mark
                loss, correct = self._step(pictures, grades)
                progress.loss_sum += loss * len(grades)
                progress.correct += correct
                progress.seen += len(grades)
                progress.batch += 1
                bar.update(len(grades))
                bar.set_postfix(
                    loss=f"{progress.loss_sum / progress.seen:.3f}",
                    accuracy=f"{progress.correct / progress.seen:.1%}",
                    refresh=False,
                )
                now = time.monotonic()
                progress.seconds += now - mark
                mark = now
                last = progress.batch == len(self.batches)
                if interrupted() and not last:
                    self._save()
                    raise KeyboardInterrupt
                if now - saved > SECONDS_BETWEEN_SAVES and not last:
                    self._save()
                    saved = mark = time.monotonic()

    def _step(self, pictures: Tensor, grades: Tensor) -> tuple[float, int]:
        pictures = pictures.to(self.device, non_blocking=True, memory_format=torch.channels_last)
        grades = grades.to(self.device, non_blocking=True)
        logits = self.model(pictures)
        loss = F.cross_entropy(logits, grades)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise SettingsError(
                f"the loss of {self.settings.name} is no longer a number in epoch "
                f"{self.progress.epoch + 1}: start anew with a lower --lr than {self.settings.lr}; "
                "the last good state is kept"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return value, int((logits.detach().argmax(dim=1) == grades).sum())

    def _close_epoch(self) -> None:
        progress = self.progress
        logits = predict_logits(
            self.model, self.validation, self.device, 2 * self.settings.batch_size
        )
        truth = np.asarray(self.validation.grades)
        kappa = quadratic_weighted_kappa(truth, logits.argmax(axis=1))
        progress.history.append(
            {
                "epoch": progress.epoch + 1,
                "train_loss": progress.loss_sum / progress.seen,
                "train_accuracy": progress.correct / progress.seen,
                "validation_loss": float(
                    F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(truth))
                ),
                "validation_accuracy": float((logits.argmax(axis=1) == truth).mean()),
                "validation_kappa": kappa,
                "lr": self.settings.lr,
                "seconds": round(progress.seconds, 3),
                "waiting_seconds": round(progress.waiting, 3),
            }
        )
        score = -1.0 if kappa is None else kappa
        if score > progress.best_kappa:
            progress.best_kappa, progress.best_epoch = score, progress.epoch + 1
            self.best_weights = {
                name: value.detach().cpu().clone()
                for name, value in self.model.state_dict().items()
            }
        write_text(self.folder / HISTORY_FILE, pd.DataFrame(progress.history).to_csv(index=False))
        progress.begin_epoch(progress.epoch + 1)

    def _save(self) -> None:
        state: dict[str, Any] = {
            "settings": self.settings.to_json(),
            "progress": vars(self.progress),
            "model": self.model.state_dict(),
            "best_weights": self.best_weights,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        with replacing(self.folder / STATE_FILE) as temporary:
            torch.save(state, temporary)

    def _restore(self) -> None:
        file = self.folder / STATE_FILE
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            if state["settings"] != self.settings.to_json():
                raise CheckpointError(f"{file} belongs to a run with other settings")
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.progress = Progress(**state["progress"])
            self.best_weights = state["best_weights"]
            torch.set_rng_state(state["random"])
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"{file} cannot be resumed from ({type(error).__name__}): delete it to train this "
                "run anew"
            ) from error


@contextmanager
def _stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag that is read between steps; the second acts at once."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, previous)
