"""The training loop of one run.

The order and augmentation of the images depend on seed and epoch alone, and the whole state is
saved atomically: on a CPU, a run that is killed at any moment and resumed ends with exactly the
weights of one that was not.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from retina import distributed
from retina.datasets.dataset import RetinopathyDataset
from retina.errors import SettingsError
from retina.evaluation.metrics import quadratic_weighted_kappa
from retina.evaluation.predict import predict_logits
from retina.files import write_text
from retina.models.config import HISTORY_FILE
from retina.scale import NUM_GRADES
from retina.signals import stop_between_steps
from retina.training.batches import (
    Batch,
    EpochBatches,
    ending_workers,
    epochs_of,
    in_own_words,
    upload,
)
from retina.training.losses import build_loss
from retina.training.precision import choose_precision
from retina.training.settings import RunSettings, recipe_of
from retina.training.state import EventLog, Outcome, Progress, read_state, write_state
from retina.training.teacher import Teacher

SECONDS_BETWEEN_SAVES = 120.0
SECONDS_BETWEEN_READS = 0.5
# In the messages of PyTorch's allocators, CUDA, cuBLAS and cuDNN.
OUT_OF_MEMORY = ("out of memory", "allocate memory", "STATUS_ALLOC_FAILED")


class Trainer:
    """Train one network, from the start or from a saved state.

    Args:
        settings: The settings of the run.
        model: The network, with its initial weights.
        training: The training split, with augmentation.
        validation: The validation split. The best epoch has the highest quadratic weighted kappa
            on it; of several sources, the highest mean of theirs.
        folder: Where ``state.pt`` and ``history.csv`` are written.
        device: The device to train on.
        workers: Number of data-loading processes; 0 loads in this one.
        compiled: Whether to compile the network, which pays off in long runs on a GPU.
        teacher: A teacher whose predictions are a second target.
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
        compiled: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        self.settings = settings
        self.teacher = teacher
        self.recipe = recipe_of(settings)
        self.device = device
        self.folder = folder
        self.validation = validation
        self.model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = _wrapped(self.model, compiled)
        self.optimizer = self.recipe.optimizer(self.model, settings.lr)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.precision = choose_precision(settings.amp, device)
        self.loss = build_loss(
            settings.loss,
            torch.bincount(torch.tensor(training.grades), minlength=NUM_GRADES),
            self.recipe.label_smoothing,
        )
        self.progress = Progress()
        self.unread: list[tuple[Tensor, Tensor, int]] = []
        self.best_weights: dict[str, Tensor] = {}
        self.batches = EpochBatches(
            training.grades,
            settings.batch_size,
            settings.seed,
            settings.sampling,
            distributed.rank(),
            distributed.processes(),
            training.sources,
        )
        self.preprocessing = training.preprocessing
        self.loader = epochs_of(training, self.batches, workers, device)

    def fit(self, resume: bool = False) -> Outcome:
        """Train to the last epoch.

        Args:
            resume: Continue from ``state.pt`` if the folder holds one.

        Raises:
            CheckpointError: ``state.pt`` cannot be read, or belongs to other settings.
            SettingsError: The loss is not finite.
            MemoryError: A step does not fit into the memory of the device.
            ChildProcessError: A worker has died.
            KeyboardInterrupt: Ctrl-C or SIGTERM, raised once the step is done and the state saved.
        """
        if resume:
            self._restore()
        log = EventLog(self.folder)
        with (
            stop_between_steps() as signalled,
            self.precision.quick_kernels(),
            in_own_words(),
            ending_workers(self.loader),
        ):

            def interrupted() -> int:  # All processes must stop after the same step.
                return distributed.greatest(signalled(), self.device)

            while self.progress.epoch < self.settings.epochs:
                self._train_epoch(interrupted)
                row = self._close_epoch()
                log.write(row)
                self._save()
                if stopped := interrupted():
                    raise KeyboardInterrupt(stopped)
        log.close()
        return Outcome(
            self.best_weights, self.progress.best_epoch, pd.DataFrame(self.progress.history)
        )

    def uploaded(self) -> Iterator[Batch]:
        """The batches of an epoch, on the device."""
        return upload(self.loader, self.preprocessing, self.device)

    def step(self, images: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step of the optimizer.

        Args:
            images: (n, 3, H, W) float32 on the device, channels-last: this process's share.
            grades: (n,) int64 on the device.

        Returns:
            The mean loss and the number of correct predictions, both on the device.
        """
        targets = None
        if self.teacher is not None:
            with self.precision.autocast():
                targets = self.teacher.logits(images)
        side = self.recipe.side(self.progress.epoch, self.settings.epochs, self.settings.image_size)
        if side != images.shape[-1]:
            images = F.interpolate(
                images, (side, side), mode="bilinear", antialias=True
            ).contiguous(memory_format=torch.channels_last)
        with self.precision.autocast():
            logits = self.network(images)
        loss = self.loss(logits.float(), grades).mean()
        if self.teacher is not None and targets is not None:
            loss = self.teacher.combined(loss, logits.float(), targets)
        self.precision.step(loss, self.optimizer)
        return loss.detach(), (logits.detach().argmax(dim=1) == grades).sum()

    def _train_epoch(self, interrupted: Callable[[], int]) -> None:
        progress, batches = self.progress, self.batches
        batches.epoch, batches.first_batch = progress.epoch, progress.batch
        steps = self.settings.epochs * len(batches)
        self.model.train()
        self.unread.clear()
        saved = read = mark = time.monotonic()
        with tqdm(
            total=len(batches) * batches.batch_size,
            initial=progress.batch * batches.batch_size,
            desc=f"{self.settings.name} epoch {progress.epoch + 1}/{self.settings.epochs}",
            unit=" images",
            mininterval=0.5,
            disable=not distributed.is_writer(),
        ) as bar:
            for images, grades in self.uploaded():
                progress.waiting += time.monotonic() - mark
                step = progress.epoch * len(batches) + progress.batch
                factor = self.recipe.lr_factor(step, steps)
                for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
                    group["lr"] = peak * factor
                self._seed_step(step)
                try:
                    loss, correct = self.step(images, grades)
                except RuntimeError as error:
                    raise _out_of_memory(error, self.settings) or error from None
                except ValueError as error:
                    raise _too_few_values(error, self.settings) or error from None
                self.unread.append((loss, correct, len(grades)))
                progress.batch += 1
                bar.update(len(grades) * distributed.processes())
                if progress.batch == len(batches) or mark - read > SECONDS_BETWEEN_READS:
                    self._read_losses()
                    bar.set_postfix(
                        loss=f"{progress.loss:.3f}",
                        accuracy=f"{progress.accuracy:.1%}",
                        refresh=False,
                    )
                    read = time.monotonic()
                now = time.monotonic()
                progress.seconds += now - mark
                mark = now
                if progress.batch == len(batches):
                    continue
                stopped = interrupted()
                if stopped or now - saved > SECONDS_BETWEEN_SAVES:
                    self._read_losses()
                    self._stop_unless(self._is_sound())
                    self._save()
                    saved = mark = time.monotonic()
                if stopped:
                    raise KeyboardInterrupt(stopped)

    def _seed_step(self, step: int) -> None:
        """Give every process its own random numbers, for dropout.

        The first process uses the generator whose state is saved. The others are seeded at every
        step, so that they resume without a saved state.
        """
        if rank := distributed.rank():
            origin = np.random.SeedSequence((self.settings.seed, rank, step))
            torch.manual_seed(int(origin.generate_state(1, np.uint64)[0]))

    def _read_losses(self) -> None:
        """Fetch the losses of the steps since the last call, which synchronises with the device."""
        if not self.unread:
            return
        losses, correct, counts = zip(*self.unread, strict=True)
        self.unread.clear()
        numbers = torch.stack(losses).tolist(), torch.stack(correct).tolist()
        for loss, right, count in zip(*numbers, counts, strict=True):
            self.progress.add(loss, right, count)
        self._stop_unless(np.isfinite(self.progress.loss_sum))

    def _is_sound(self) -> bool:
        return all(bool(value.isfinite().all()) for value in self.model.state_dict().values())

    def _stop_unless(self, finite: bool) -> None:
        if not finite:
            raise SettingsError(
                f"the loss of {self.settings.name} is no longer finite in epoch "
                f"{self.progress.epoch + 1}: train again with a lower --lr than "
                f"{self.settings.lr:g}; the last good state is kept"
            )

    def _close_epoch(self) -> dict[str, float | int | None]:
        progress = self.progress
        self._stop_unless(self._is_sound())
        distributed.share_buffers(self.model)
        logits = predict_logits(
            self.model, self.validation, self.device, 2 * self.settings.batch_size
        )
        truth = np.asarray(self.validation.grades)
        kappa, by_source = mean_kappa(truth, logits.argmax(axis=1), self.validation.sources)
        loss, accuracy = progress.totals()
        row: dict[str, float | int | None] = {
            "epoch": progress.epoch + 1,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "validation_loss": float(
                F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(truth))
            ),
            "validation_accuracy": float((logits.argmax(axis=1) == truth).mean()),
            "validation_kappa": kappa,
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "seconds": round(progress.seconds, 3),
            "waiting_seconds": round(progress.waiting, 3),
            **{f"validation_kappa_{source}": value for source, value in by_source.items()},
        }
        progress.history.append(row)
        if distributed.is_writer():
            write_text(
                self.folder / HISTORY_FILE, pd.DataFrame(progress.history).to_csv(index=False)
            )
            print(_sentence(row), file=sys.stderr)
        score = -1.0 if kappa is None else kappa
        if score > progress.best_kappa:
            progress.best_kappa, progress.best_epoch = score, progress.epoch + 1
            self.best_weights = {
                name: value.detach().cpu().clone()
                for name, value in self.model.state_dict().items()
            }
        progress.begin_epoch(progress.epoch + 1)
        return row

    def _save(self) -> None:
        if distributed.is_writer():
            state = {
                "progress": vars(self.progress),
                "model": self.model.state_dict(),
                "best_weights": self.best_weights,
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.precision.scaler.state_dict(),
                "random": torch.get_rng_state(),
            }
            if self.device.type == "cuda":
                state["random_cuda"] = torch.cuda.get_rng_state(self.device)
            write_state(self.folder, self.settings, state)

    def _restore(self) -> None:
        state = read_state(self.folder, self.settings)
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.precision.restore_scaler(state["scaler"])
            self.progress = Progress(**state["progress"])
            if not distributed.is_writer():  # The saved sums are those of the writer.
                self.progress.begin_epoch(self.progress.epoch, self.progress.batch)
            self.best_weights = state["best_weights"]
            torch.set_rng_state(state["random"])
            if self.device.type == "cuda" and "random_cuda" in state:
                torch.cuda.set_rng_state(state["random_cuda"], self.device)


def mean_kappa(
    grades: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], sources: Sequence[str]
) -> tuple[float | None, dict[str, float | None]]:
    """Quadratic weighted kappa of each source, and their mean.

    Args:
        grades: (N,) true grades.
        predicted: (N,) predicted grades.
        sources: The source of each of the N images.

    Returns:
        The mean over the sources whose kappa is defined, None if there is none; and the kappa of
        each source, empty if there is only one.
    """
    of_source = np.asarray(sources)
    kappas = {
        source: quadratic_weighted_kappa(grades[own], predicted[own])
        for source in dict.fromkeys(sources)
        for own in [of_source == source]
    }
    defined = [kappa for kappa in kappas.values() if kappa is not None]
    mean = sum(defined) / len(defined) if defined else None
    return mean, kappas if len(kappas) > 1 else {}


def _wrapped(model: nn.Module, compiled: bool) -> nn.Module:
    network: nn.Module = torch.compile(model) if compiled else model  # type: ignore[assignment]
    if distributed.processes() == 1:
        return network
    return DistributedDataParallel(network)


def _out_of_memory(error: RuntimeError, settings: RunSettings) -> MemoryError | None:
    if not any(words in str(error) for words in OUT_OF_MEMORY):
        return None
    return MemoryError(
        f"{settings.name} does not fit into memory: lower --batch-size (now "
        f"{settings.batch_size}) or --image-size (now {settings.image_size})"
    )


def _too_few_values(error: ValueError, settings: RunSettings) -> SettingsError | None:
    if "more than 1 value per channel" not in str(error):
        return None
    return SettingsError(
        f"--batch-size {settings.batch_size} at --image-size {settings.image_size} leaves batch "
        "normalisation one value per channel: raise one of them"
    )


def _sentence(row: dict[str, float | int | None]) -> str:
    kappa = row["validation_kappa"]
    waiting = (row["waiting_seconds"] or 0) / max(row["seconds"] or 0, 1e-9)
    return (
        f"epoch {row['epoch']}: training accuracy {row['train_accuracy']:.1%}, validation "
        f"accuracy {row['validation_accuracy']:.1%}, kappa "
        f"{'undefined' if kappa is None else format(kappa, '.3f')}; {row['seconds']:.0f} s, "
        f"{waiting:.0%} of it waiting for data"
    )
