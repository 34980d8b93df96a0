"""A checkpoint's figures on a set of pictures."""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import torch

from retina.datasets.cache import PreparedCache
from retina.datasets.catalog import Catalog
from retina.datasets.dataset import RetinopathyDataset
from retina.datasets.parallel import Unreadable
from retina.datasets.splits import read_split
from retina.errors import DataError
from retina.evaluation.calibration import probabilities
from retina.evaluation.intervals import add_intervals
from retina.evaluation.metrics import compute_metrics
from retina.evaluation.predict import predict_logits
from retina.models.checkpoint import Checkpoint
from retina.models.config import SPLIT_FILE
from retina.scale import NUM_GRADES

Part = Literal["train", "validation", "test", "all"]


@dataclass(frozen=True)
class Evaluation:
    """Figures, and the answers that they were computed from.

    Attributes:
        metrics: In the form of ``retina evaluate --json``.
        predictions: ``image_id, grade, predicted, p0 ... p4``, a row a picture.
        unreadable: Pictures that were left out, each with its reason.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame
    unreadable: tuple[Unreadable, ...]


def choose_rows(
    catalog: Catalog, checkpoint: Checkpoint, part: Part
) -> tuple[pd.DataFrame, str | None]:
    """The rows of a data folder that a checkpoint is to be evaluated on.

    Args:
        catalog: The folder.
        checkpoint: Its ``split.csv`` says which part a picture belongs to.
        part: One of the three parts, or ``all`` for every row of the folder.

    Returns:
        The rows, and a warning where some of them chose or trained the model.

    Raises:
        DataError: the checkpoint does not know the folder's pictures, and ``part`` is not ``all``.
    """
    file = checkpoint.folder / SPLIT_FILE
    parts = read_split(file) if file.exists() else pd.Series(dtype=object)
    known = catalog.table["image_id"].map(parts)
    if part == "all":
        seen = int((known == "train").sum()), int((known == "validation").sum())
        warning = (
            f"{checkpoint.name} was trained on {seen[0]} of these {len(known)} pictures and chosen "
            f"on {seen[1]}: its figures here are too good"
        )
        return catalog.table, warning if any(seen) else None
    rows = catalog.table[known == part]
    if rows.empty:
        raise DataError(
            f"{checkpoint.name} knows no picture of {catalog.name} as its {part} part: "
            "use --split all"
        )
    return rows, None


def evaluate(
    checkpoint: Checkpoint,
    rows: pd.DataFrame,
    cache: PreparedCache,
    device: torch.device,
    batch_size: int = 32,
) -> Evaluation:
    """Grade every row whose photograph can be read, and compare with its true grade.

    Args:
        checkpoint: The network, with its temperature and operating point.
        rows: ``image_id, path, grade, patient``; at least one.
        cache: Where prepared squares are kept.
        device: Where to compute.
        batch_size: Pictures a forward pass.

    Raises:
        DataError: no photograph can be read.
    """
    config = checkpoint.config
    unreadable = cache.fill(rows["path"].tolist(), config.preprocessing)
    rows = rows[~rows["path"].isin([picture.path for picture in unreadable])]
    if rows.empty:
        raise DataError(f"none of the photographs can be read: {unreadable[0].reason}")
    pictures = RetinopathyDataset(
        rows["path"].tolist(), rows["grade"].tolist(), config.preprocessing, cache=cache
    )
    logits = predict_logits(
        checkpoint.model.to(device), pictures, device, batch_size, f"{checkpoint.name}: grading"
    )
    answers = probabilities(logits, config.temperature)
    predictions = pd.DataFrame(
        {
            "image_id": rows["image_id"].to_numpy(),
            "grade": rows["grade"].to_numpy(),
            "predicted": answers.argmax(axis=1),
            **{f"p{grade}": answers[:, grade] for grade in range(NUM_GRADES)},
        }
    )
    grades = rows["grade"].to_numpy()
    metrics = compute_metrics(grades, answers, config.referable.threshold)
    bounded = add_intervals(metrics, grades, answers, rows["patient"].tolist())
    return Evaluation(bounded, predictions, tuple(unreadable))
