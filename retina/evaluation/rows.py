"""Which rows of a data folder a model may be judged on, and what it has seen of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from retina.datasets.catalog import Catalog, patient_and_eye
from retina.datasets.splits import TEST, TRAIN, VALIDATION, read_split
from retina.errors import DataError
from retina.models.checkpoint import Checkpoint
from retina.models.config import SPLIT_FILE

Part = Literal["train", "validation", "test", "all"]


@dataclass(frozen=True)
class Overlap:
    """How many of some pictures a model has seen, or nearly.

    Attributes:
        trained_on: Pictures of its training part.
        chosen_on: Pictures of its validation part.
        familiar_patients: Other pictures, of a patient who has one in these parts, as far as names
            such as ``2576_right`` tell.
    """

    trained_on: int
    chosen_on: int
    familiar_patients: int


def overlap(checkpoint: Checkpoint, rows: pd.DataFrame) -> Overlap:
    """Look pictures up, by name, in a checkpoint's ``split.csv``.

    Args:
        checkpoint: One without that file has seen nothing.
        rows: ``image_id, patient``.
    """
    parts = _split(checkpoint)
    known = rows["image_id"].map(parts)
    seen = parts.index[parts != TEST]
    patients = {patient_and_eye(image_id)[0] for image_id in seen}
    familiar = rows["patient"].isin(patients) & ~known.isin((TRAIN, VALIDATION))
    return Overlap(
        int((known == TRAIN).sum()), int((known == VALIDATION).sum()), int(familiar.sum())
    )


def choose_rows(
    catalog: Catalog, checkpoint: Checkpoint, part: Part
) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a data folder that a checkpoint is to be evaluated on.

    Args:
        catalog: The folder.
        checkpoint: Its ``split.csv`` says which part a picture belongs to.
        part: One of the three parts, or ``all`` for every row of the folder.

    Returns:
        The rows, and a warning for each reason why figures of the test part, or of all rows, are
        too good.

    Raises:
        DataError: the checkpoint does not know the folder's pictures, and ``part`` is not ``all``.
    """
    rows = catalog.table
    if part != "all":
        rows = rows[rows["image_id"].map(_split(checkpoint)) == part]
    if rows.empty:
        raise DataError(
            f"{checkpoint.name} knows no picture of {catalog.name} as its {part} part: "
            "use --split all"
        )
    return rows, [] if part in (TRAIN, VALIDATION) else _warnings(checkpoint, rows)


def only_names_known(catalog: Catalog, checkpoint: Checkpoint) -> str | None:
    """Say so where a folder's names are those of the training folder, and its labels are not.

    ``split.csv`` holds names alone, and another hospital may have counted its photographs too. The
    same folder has the fingerprint, over all names and grades, that the checkpoint was given.

    Returns:
        The warning; None where no name is known, or all is as it was in training.
    """
    known = int(catalog.table["image_id"].isin(_split(checkpoint).index).sum())
    data = checkpoint.config.data
    if not known or catalog.fingerprint == data.fingerprint:
        return None
    return (
        f"{known} of the {len(catalog.table)} pictures of {catalog.name} have names that "
        f"{checkpoint.name} knows from {data.name}, but names and grades together are not those of "
        "its training: if these are other pictures, use --split all and take no notice of what it "
        "was trained on"
    )


def choose_unseen_rows(
    catalog: Catalog, checkpoints: Sequence[Checkpoint], part: Literal["test", "all"]
) -> tuple[pd.DataFrame, list[str]]:
    """The rows that checkpoints can be compared on: none of them was trained or chosen on any.

    Args:
        catalog: The folder.
        checkpoints: At least one.
        part: ``test`` for the pictures in the test part of at least one of them and in no other
            part of any; ``all`` for every row of the folder.

    Returns:
        The rows, and what ``choose_rows`` warns of.

    Raises:
        DataError: no row is left, or ``all`` holds one that a checkpoint was trained or chosen on.
    """
    rows = catalog.table
    parts = pd.DataFrame(
        {place: rows["image_id"].map(_split(each)) for place, each in enumerate(checkpoints)}
    )
    seen = parts.isin((TRAIN, VALIDATION))
    if part == "all" and seen.to_numpy().any():
        counts = ", ".join(
            f"{checkpoint.name} on {seen[place].sum()}"
            for place, checkpoint in enumerate(checkpoints)
        )
        raise DataError(
            f"models cannot be compared on pictures that they were trained or chosen on ({counts} "
            f"of these {len(rows)}): use --split test"
        )
    if part == "test":
        rows = rows[(parts == TEST).any(axis=1) & ~seen.any(axis=1)]
    if rows.empty:
        raise DataError(
            f"no picture of {catalog.name} is in a test part and in no other part of "
            f"{' and '.join(checkpoint.name for checkpoint in checkpoints)}: use --split all on "
            "pictures that none of them was trained on"
        )
    return rows, [warning for each in checkpoints for warning in _warnings(each, rows)]


def _warnings(checkpoint: Checkpoint, rows: pd.DataFrame) -> list[str]:
    seen, warnings = overlap(checkpoint, rows), []
    if seen.trained_on or seen.chosen_on:
        warnings.append(
            f"{checkpoint.name} was trained on {seen.trained_on} of these {len(rows)} pictures and "
            f"chosen on {seen.chosen_on}: its figures here are too good"
        )
    if seen.familiar_patients:
        warnings.append(
            f"{seen.familiar_patients} of these {len(rows)} pictures belong to a patient of whom "
            f"{checkpoint.name} saw another picture in training or validation: its figures here "
            "are too good"
        )
    return warnings


def _split(checkpoint: Checkpoint) -> "pd.Series[str]":
    file = checkpoint.folder / SPLIT_FILE
    return read_split(file) if file.exists() else pd.Series(dtype="str")
