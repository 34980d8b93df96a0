"""Initial weights for a ResNet where ImageNet's own cannot be had: learned from EfficientNet-Lite0.

As in training, a run that is killed at any moment and resumed ends, on the CPU, with the very same
weights as one that was not.
"""

import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from retina.atomic import remove_unfinished, replacing
from retina.datasets.cache import PreparedCache
from retina.datasets.dataset import RetinopathyDataset
from retina.datasets.sampling import EpochBatches
from retina.datasets.transforms import StrongAugmentation
from retina.errors import SettingsError
from retina.interrupt import stop_between_steps
from retina.models.architectures import build
from retina.models.pretrained import InitialWeights
from retina.models.weight_files import DESCRIPTION, HEAD
from retina.training.config import DistillationSettings
from retina.training.imitation import STRIDES, Imitation, Teacher
from retina.training.loading import epochs_of, in_own_words
from retina.training.precision import choose_precision
from retina.training.state import read_state, write_state
from retina.training.unlabelled import Pictures, prepare
from retina.training.upload import Batch, upload

MEASURED_BATCHES = 8
WARM_UP = 0.1
SECONDS_BETWEEN_SAVES = 120.0


def check_output(output: Path, resume: bool) -> None:
    """Make sure that the weights can be written, before anything else is done.

    Raises:
        SettingsError: ``output`` is no safetensors file, or it or its state exist already.
    """
    if output.suffix != ".safetensors":
        raise SettingsError(f"--output is {output}: its name must end in .safetensors")
    if resume:
        return
    for file in (output, output.with_name(state_name(output))):
        if file.exists():
            raise SettingsError(
                f"{file} exists: go on with --resume, or name another file with --output"
            )


def state_name(output: Path) -> str:
    """The name of the file, beside ``output``, that a run resumes from."""
    return f"{output.stem}.state.pt"


class Distiller:
    """Lets one network learn another's feature maps; ``fit`` does it, and writes the weights.

    Args:
        settings: Of the run.
        pictures: To learn from.
        teacher: The ImageNet weights of EfficientNet-Lite0.
        output: The safetensors file; the state lies beside it.
        device: Where to compute.
        workers: Processes that prepare batches; 0 for none.
    """

    def __init__(
        self,
        settings: DistillationSettings,
        pictures: Pictures,
        teacher: InitialWeights,
        output: Path,
        device: torch.device,
        workers: int = 0,
    ) -> None:
        self.settings = settings
        self.pictures = pictures
        self.output = output
        self.device = device
        self.origin = teacher
        cache = PreparedCache()
        preprocessing = prepare(pictures, settings.image_size, cache)
        grades = [0] * len(pictures.paths)
        dataset = RetinopathyDataset(
            pictures.paths, grades, preprocessing, StrongAugmentation(), settings.seed, cache
        )
        self.batches = EpochBatches(grades, settings.batch_size, settings.seed)
        self.preprocessing = preprocessing
        self.loader = epochs_of(dataset, self.batches, workers, device)
        torch.manual_seed(settings.seed)
        layout = {"device": device, "memory_format": torch.channels_last}
        imitated = Teacher(teacher, preprocessing)
        imitation = Imitation(build(settings.architecture), imitated)
        self.teacher = imitated.to(**layout)  # type: ignore[call-overload]
        self.imitation = imitation.to(**layout)  # type: ignore[call-overload]
        learned = [p for name, p in imitation.named_parameters() if not name.endswith(HEAD)]
        self.optimizer = torch.optim.AdamW(learned, lr=settings.lr)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            settings.lr,
            total_steps=settings.passes * len(self.batches),
            pct_start=WARM_UP,
        )
        self.precision = choose_precision(settings.amp, device)
        self.passed = 0
        self.batch = 0
        self.errors = torch.zeros(len(STRIDES))

    def fit(self, resume: bool = False) -> None:
        """Learn to the last pass, then write the weights.

        Args:
            resume: Go on from the state beside ``output`` where there is one.

        Raises:
            CheckpointError: the state cannot be read, or belongs to other settings or pictures.
            SettingsError: the error is no longer a number.
            MemoryError: a step does not fit into the device's memory.
            ChildProcessError: a worker has died.
            KeyboardInterrupt: Ctrl-C or SIGTERM; the step was finished and the state written first.
        """
        remove_unfinished(self.output.parent, state_name(self.output))
        if not (resume and self._restore()):
            self.teacher.measure(self._first_batches())
        self.imitation.train()
        total = self.settings.passes * len(self.batches) * self.batches.batch_size
        done = self.passed * len(self.batches) + self.batch
        with (
            stop_between_steps() as interrupted,
            in_own_words(),
            tqdm(
                total=total,
                initial=done * self.batches.batch_size,
                desc=self.output.stem,
                unit=" pictures",
                mininterval=0.5,
            ) as bar,
        ):
            while self.passed < self.settings.passes:
                self._one_pass(bar, interrupted)
        self._write()

    def step(self, pictures: Tensor) -> Tensor:
        """One step of the optimizer on (n, 3, H, W) pictures; the error at each stride: (3,)."""
        pictures = self._shown(pictures)
        try:
            with self.precision.autocast():
                errors: Tensor = self.imitation(pictures, self.teacher(pictures))
            self.precision.step(errors.sum(), self.optimizer)
        except torch.OutOfMemoryError:
            raise MemoryError(
                "the networks do not fit into memory: lower --batch-size or --image-size"
            ) from None
        self.schedule.step()
        return errors.detach().cpu()

    def _shown(self, pictures: Tensor) -> Tensor:
        side = self.settings.side(self.passed)
        if side == pictures.shape[-1]:
            return pictures
        smaller = F.interpolate(pictures, (side, side), mode="bilinear", antialias=True)
        return smaller.contiguous(memory_format=torch.channels_last)

    def _first_batches(self) -> Iterator[Tensor]:
        for pictures, _ in islice(self.uploaded(), MEASURED_BATCHES):
            yield pictures

    def uploaded(self) -> Iterator[Batch]:
        """The batches of a pass, as ``step`` takes them."""
        return upload(self.loader, self.preprocessing, self.device)

    def _one_pass(self, bar: "tqdm[Any]", interrupted: Callable[[], int]) -> None:
        self.batches.epoch, self.batches.first_batch = self.passed, self.batch
        saved = time.monotonic()
        for pictures, _ in self.uploaded():
            errors = self.step(pictures)
            if not errors.isfinite().all():
                raise SettingsError(
                    f"the error is no longer a number in pass {self.passed + 1}: start anew with a "
                    f"lower --lr than {self.settings.lr:g}; the last good state is kept"
                )
            self.errors += errors
            self.batch += 1
            bar.update(len(pictures))
            bar.set_postfix_str(f"explained {_explained(errors)}", refresh=False)
            if self.batch == len(self.batches):
                bar.write(
                    f"pass {self.passed + 1}/{self.settings.passes}: the student explains "
                    f"{_explained(self.errors / self.batch)} of the teacher's maps at strides 8, "
                    "16 and 32",
                    file=sys.stderr,
                )
                self.passed, self.batch = self.passed + 1, 0
                self.errors.zero_()
            ended = self.batch == 0
            if ended or interrupted() or time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
                self._save()
                saved = time.monotonic()
            if stopped := interrupted():
                raise KeyboardInterrupt(stopped)
            if ended:
                return

    def to_json(self) -> dict[str, Any]:
        """What must be the same where the run is resumed."""
        return {
            **self.settings.to_json(),
            "pictures": self.pictures.fingerprint,
            "teacher": self.origin.sha256,
        }

    def _save(self) -> None:
        state = {
            "passed": self.passed,
            "batch": self.batch,
            "errors": self.errors,
            "imitation": self.imitation.state_dict(),
            "normalisers": self.teacher.normalisers.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
        }
        write_state(self.output.parent, self, state, state_name(self.output))

    def _restore(self) -> bool:
        state = read_state(self.output.parent, self, state_name(self.output))
        if state is None:
            return False
        self.imitation.load_state_dict(state["imitation"])
        self.teacher.normalisers.load_state_dict(state["normalisers"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.precision.restore_scaler(state["scaler"])
        self.passed, self.batch, self.errors = state["passed"], state["batch"], state["errors"]
        return True

    def _write(self) -> None:
        """The student's weights under torchvision's names, without the last layer."""
        tensors = {
            name: value.detach().cpu().contiguous()
            for name, value in self.imitation.student.state_dict().items()
            if name not in HEAD
        }
        description = (
            f"distilled without labels from ImageNet EfficientNet-Lite0 on "
            f"{len(self.pictures.paths):,} photographs of {' and '.join(self.pictures.names)}, "
            f"{self.settings.passes} passes at {self.settings.image_size} px"
        )
        data = save(tensors, metadata={DESCRIPTION: description})  # more than one has no order
        with replacing(self.output) as temporary:
            temporary.write_bytes(data)


def _explained(errors: Tensor) -> str:
    return " ".join(f"{1 - error:.0%}" for error in errors.tolist())
