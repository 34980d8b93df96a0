"""A trained checkpoint whose answers are a second target for the network that is trained.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv
1503.02531: both answers are softened by a temperature, and their divergence is multiplied by its
square, so that its gradient keeps its size.
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
    """Load a teacher: a checkpoint's folder, or its name among the project's checkpoints.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    folder = Path(name)
    return load_checkpoint(folder if folder.is_dir() else name)


def refuse_familiar(teacher: Checkpoint, table: pd.DataFrame) -> None:
    """Refuse a teacher who was trained on what is to be validated or tested on.

    Args:
        teacher: With its ``split.csv``.
        table: ``image_id``, ``source`` and ``part`` of the run's photographs.

    Raises:
        SettingsError: it was.
        DataError: its ``split.csv`` is missing or is not such a file.
    """
    split = read_split(teacher.folder / SPLIT_FILE)
    held_out = table[table["part"] != TRAIN]
    by = ["image_id", *(["source"] if split["source"].any() else [])]
    known = len(split[split["part"] == TRAIN].merge(held_out, on=by))
    if known:
        raise SettingsError(
            f"--teacher {teacher.name} was trained on {known} of the pictures that "
            "this run keeps for validation and test: give the same --data and --seed as for the "
            "teacher, or another teacher"
        )


class Teacher:
    """The teacher's answers to the pictures of a step, and the loss that compares with them.

    Args:
        checkpoint: Of the teacher.
        settings: How much its answers count, and how they are softened.
        preprocessing: Of the network that is trained.
        device: Where to compute.
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

    def answers(self, pictures: Tensor) -> Tensor:
        """The teacher's logits.

        Args:
            pictures: (n, 3, H, W), normalised as for the network that is trained.

        Returns:
            (n, 5).
        """
        with torch.inference_mode():
            if pictures.shape[-1] != self.size:
                side = (self.size, self.size)
                pictures = F.interpolate(pictures, side, mode="bilinear", antialias=True)
            pictures = pictures * self.scale + self.shift
            logits: Tensor = self.model(pictures.contiguous(memory_format=torch.channels_last))
        return logits.float().clone()

    def combined(self, loss: Tensor, logits: Tensor, answers: Tensor) -> Tensor:
        """The mean loss on the grades and the divergence from the teacher's answers, weighted.

        Args:
            loss: (), of the grades.
            logits: (n, 5), of the network that is trained.
            answers: (n, 5), the teacher's logits.
        """
        weight, temperature = self.settings.weight, self.settings.temperature
        divergence = F.kl_div(
            F.log_softmax(logits / temperature, dim=1),
            F.log_softmax(answers / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        return (1 - weight) * loss + weight * temperature**2 * divergence
