"""Knowledge distillation: the predictions of a trained checkpoint as a second target.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv
1503.02531. Both softmaxes have a temperature; the divergence is multiplied by its square, so that
the scale of the gradient does not depend on it.
"""

from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from retina.datasets.splits import TRAIN, read_split
from retina.errors import SettingsError
from retina.images.prepare import Preprocessing
from retina.models.checkpoint import Checkpoint, load_checkpoint
from retina.models.config import SPLIT_FILE
from retina.training.settings import TeacherSettings


def load_teacher(name: str) -> Checkpoint:
    """Load a teacher by the folder or the name of its checkpoint.

    Raises:
        CheckpointError: There is no such checkpoint, or it is damaged.
    """
    folder = Path(name)
    return load_checkpoint(folder if folder.is_dir() else name)


def refuse_familiar(teacher: Checkpoint, table: pd.DataFrame) -> None:
    """Refuse a teacher that was trained on photographs kept for validation or testing.

    Args:
        teacher: The teacher; its folder must hold ``split.csv``.
        table: ``image_id``, ``source`` and ``part`` of the photographs of the run.

    Raises:
        SettingsError: The teacher was trained on some of them.
        DataError: ``split.csv`` is missing or malformed.
    """
    split = read_split(teacher.folder / SPLIT_FILE)
    held_out = table[table["part"] != TRAIN]
    by = ["image_id", *(["source"] if split["source"].any() else [])]
    known = len(split[split["part"] == TRAIN].merge(held_out, on=by))
    if known:
        raise SettingsError(
            f"--teacher {teacher.name} was trained on {known} of the photographs that this run "
            "keeps for validation and testing: give the --data and --seed of the teacher, or "
            "another teacher"
        )


class Teacher:
    """A teacher, and the loss that compares a network with it.

    Args:
        checkpoint: The checkpoint of the teacher.
        settings: The weight and temperature of its predictions.
        preprocessing: The preprocessing of the network that is trained.
        device: The device to compute on.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: TeacherSettings,
        preprocessing: Preprocessing,
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.size = checkpoint.config.preprocessing.size
        self.model = checkpoint.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        mean, std, its_mean, its_std = (
            torch.tensor(values, device=device)[:, None, None]
            for each in (preprocessing, checkpoint.config.preprocessing)
            for values in (each.mean, each.std)
        )
        self.scale = std / its_std
        self.shift = (mean - its_mean) / its_std

    def logits(self, images: Tensor) -> Tensor:
        """Return the (n, 5) logits of the teacher.

        Args:
            images: (n, 3, H, W), normalised for the network that is trained.
        """
        with torch.inference_mode():
            if images.shape[-1] != self.size:
                side = (self.size, self.size)
                images = F.interpolate(images, side, mode="bilinear", antialias=True)
            images = images * self.scale + self.shift
            logits: Tensor = self.model(images.contiguous(memory_format=torch.channels_last))
        return logits.float().clone()

    def combined(self, loss: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted mean of the loss and the divergence from the teacher.

        Args:
            loss: Scalar: the mean loss on the grades.
            logits: (n, 5) logits of the network that is trained.
            targets: (n, 5) logits of the teacher.
        """
        weight, temperature = self.settings.weight, self.settings.temperature
        divergence = F.kl_div(
            F.log_softmax(logits / temperature, dim=1),
            F.log_softmax(targets / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        return (1 - weight) * loss + weight * temperature**2 * divergence
