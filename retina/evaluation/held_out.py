"""The photographs on which a model may be evaluated, and which of them it has seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from retina.datasets.catalog import Catalog, patient_and_eye
from retina.datasets.sources import combine, public_set
from retina.datasets.splits import TEST, TRAIN, VALIDATION, read_split
from retina.errors import DataError
from retina.models.checkpoint import Checkpoint
from retina.models.config import SPLIT_FILE, DataSource

Part = Literal["train", "validation", "test", "all"]


@dataclass(frozen=True)
class Overlap:
    """How many of some photographs a model has seen, or is familiar with.

    Attributes:
        trained_on: Photographs of its training split.
        chosen_on: Photographs of its validation split.
        familiar_patients: Other photographs of patients who have one in these parts, as far as
            names such as ``2576_right`` tell.
    """

    trained_on: int
    chosen_on: int
    familiar_patients: int


def overlap(checkpoint: Checkpoint, rows: pd.DataFrame) -> Overlap:
    """Look photographs up, by source and name, in a checkpoint's ``split.csv``.

    Args:
        checkpoint: One without that file has seen nothing.
        rows: ``image_id, patient`` and, of several sources, ``source, public_set``; where the
            checkpoint calls a source otherwise, ``known_as`` says how.
    """
    parts = _parts_of(checkpoint, rows)
    seen = parts.isin((TRAIN, VALIDATION))
    familiar = _has_familiar_patient(checkpoint, rows) & ~seen
    return Overlap(
        int((parts == TRAIN).sum()), int((parts == VALIDATION).sum()), int(familiar.sum())
    )


def choose_rows(
    catalogs: Sequence[Catalog], checkpoint: Checkpoint, part: Part
) -> tuple[pd.DataFrame, list[str]]:
    """Choose the photographs of data folders to evaluate a checkpoint on.

    Args:
        catalogs: The folders, as ``read_sources`` gives them.
        checkpoint: Its ``split.csv`` says which part a photograph belongs to.
        part: One of the three parts, or ``all`` for every row of the folders.

    Returns:
        The rows of ``combine`` with ``known_as``, and a warning for each reason why figures of the
        test split, or of all rows, are too good.

    Raises:
        DataError: the checkpoint does not know the folders' photographs, and ``part`` is not
            ``all``.
    """
    rows = _rows(catalogs, checkpoint)
    if part != "all":
        rows = rows[_parts_of(checkpoint, rows) == part]
    if rows.empty:
        raise DataError(
            f"{checkpoint.name} knows no picture of {_names(catalogs)} as its {part} part: "
            "use --split all"
        )
    return rows, [] if part in (TRAIN, VALIDATION) else _warnings(checkpoint, rows)


def only_names_known(catalogs: Sequence[Catalog], checkpoint: Checkpoint) -> list[str]:
    """Warn where a folder has the names of a training folder, but other labels.

    ``split.csv`` holds names alone, and another hospital may have counted its photographs too. The
    same folder has the fingerprint, over all names and grades, that the checkpoint was given.

    Returns:
        A warning for each folder of which names are known, unless all is as it was in training.
    """
    matched, warnings = _matched(catalogs, checkpoint), []
    for catalog in catalogs:
        known = {source: _common(catalog, own) for source, own in _names_in(checkpoint).items()}
        source = matched[catalog.name]
        nearest = max(known, key=lambda each: known[each], default="") if source is None else source
        record = _record(checkpoint, nearest)
        if not known.get(nearest) or catalog.fingerprint == record.fingerprint:
            continue
        names = (
            f"{known[nearest]} of the {len(catalog.table)} pictures of {catalog.name} have names "
            f"that {checkpoint.name} knows from {record.name}, but "
        )
        warnings.append(
            f"{names}they are taken for other pictures: if they are the same, rename the folder to "
            f"{record.name}"
            if source is None
            else f"{names}names and grades together are not those of its training: if these are "
            "other pictures, use --split all and ignore what is said of what it was trained on"
        )
    return warnings


def choose_unseen_rows(
    catalogs: Sequence[Catalog], checkpoints: Sequence[Checkpoint], part: Literal["test", "all"]
) -> tuple[pd.DataFrame, list[str]]:
    """Choose the photographs to compare checkpoints on: none was trained or tuned on them.

    Args:
        catalogs: The folders, as ``read_sources`` gives them.
        checkpoints: At least one.
        part: ``test`` for the photographs in the test split of at least one of them and in no other
            part of any; ``all`` for every row of the folders.

    Returns:
        The rows, and what ``choose_rows`` warns of.

    Raises:
        DataError: no row is left, or ``all`` holds one that a checkpoint was trained or chosen on.
    """
    known = [_rows(catalogs, each) for each in checkpoints]
    rows = known[0]
    parts = pd.DataFrame(
        {place: _parts_of(each, known[place]) for place, each in enumerate(checkpoints)}
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
            f"no picture of {_names(catalogs)} is in a test split and in no other split of "
            f"{' and '.join(checkpoint.name for checkpoint in checkpoints)}: use --split all on "
            "pictures that none of them was trained on"
        )
    warnings = [
        warning
        for each, table in zip(checkpoints, known, strict=True)
        for warning in _warnings(each, table.loc[rows.index])
    ]
    return rows, warnings


def _names(catalogs: Sequence[Catalog]) -> str:
    return " and ".join(catalog.name for catalog in catalogs)


def _rows(catalogs: Sequence[Catalog], checkpoint: Checkpoint) -> pd.DataFrame:
    table, _ = combine(catalogs)
    return table.assign(known_as=table["source"].map(_matched(catalogs, checkpoint)))


def _matched(catalogs: Sequence[Catalog], checkpoint: Checkpoint) -> dict[str, str | None]:
    """The source that each folder is taken for, as ``split.csv`` calls it; None for no source.

    The same labels tell a folder, or else the same name, or else the names of its photographs. A
    source is one folder at most.
    """
    likeness = []
    for catalog in catalogs:
        for source, own in _names_in(checkpoint).items():
            record, common = _record(checkpoint, source), _common(catalog, own)
            labels, name = catalog.fingerprint == record.fingerprint, catalog.name == record.name
            if labels or name or _names_tell(catalog, checkpoint, record, common):
                rank = (labels, name and common > 0, common)
                likeness.append((rank, catalog.name, source))
    found: dict[str, str | None] = dict.fromkeys(catalog.name for catalog in catalogs)
    for _, folder, source in sorted(likeness, key=lambda each: each[0], reverse=True):
        if found[folder] is None and source not in found.values():
            found[folder] = source
    return found


def _names_tell(catalog: Catalog, checkpoint: Checkpoint, record: DataSource, common: int) -> bool:
    """Whether the names of photographs alone show that a folder is a source.

    Of several sources another may have the same names: ODIR and EyePACS both count patients from 1.
    So the two must be of the same public data set, or of none and most of the names the same.
    """
    if not checkpoint.config.data.sources:
        return True
    if public_set(catalog) != record.public_set:
        return False
    return common > (0 if record.public_set else len(catalog.table) / 2)


def _record(checkpoint: Checkpoint, source: str) -> DataSource:
    """What the checkpoint says of a source of its ``split.csv``."""
    data = checkpoint.config.data
    return next((each for each in data.sources if each.name == source), data)


def _names_in(checkpoint: Checkpoint) -> dict[str, set[str]]:
    """The names of the photographs of each source."""
    return {
        str(source): set(own["image_id"]) for source, own in _split(checkpoint).groupby("source")
    }


def _common(catalog: Catalog, names: set[str]) -> int:
    return len(names.intersection(catalog.table["image_id"]))


def _parts_of(checkpoint: Checkpoint, rows: pd.DataFrame) -> "pd.Series[str]":
    """The part of each row, missing where the checkpoint does not know it."""
    split = _split(checkpoint).set_index(["source", "image_id"])["part"]
    wanted = pd.MultiIndex.from_arrays([_known_as(checkpoint, rows), rows["image_id"]])
    return pd.Series(split.reindex(wanted).to_numpy(), index=rows.index, dtype="str")


def _known_as(checkpoint: Checkpoint, rows: pd.DataFrame) -> "pd.Series[str]":
    if "known_as" in rows:
        return rows["known_as"]
    if checkpoint.config.data.sources and "source" in rows:
        return rows["source"]
    return pd.Series("", index=rows.index, dtype="str")


def _has_familiar_patient(checkpoint: Checkpoint, rows: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a row is of a patient of whom training or validation saw a photograph.

    Patients are looked for in the row's own source, and in others of the same public data set.
    """
    split = _split(checkpoint)
    split = split[split["part"] != TEST]
    patients = {
        str(source): {patient_and_eye(image_id)[0] for image_id in own["image_id"]}
        for source, own in split.groupby("source")
    }
    sets = {each.name: each.public_set for each in checkpoint.config.data.sources}
    known_as = _known_as(checkpoint, rows)
    of_set = rows.get("public_set", known_as)
    of_row = _patients(rows)
    familiar = pd.Series(False, index=rows.index)
    for source, own in patients.items():
        related = (known_as == source) | (of_set == (sets.get(source) or None))
        familiar |= related & of_row.isin(own)
    return familiar


def _patients(rows: pd.DataFrame) -> "pd.Series[str]":
    """The patient of each row as the folder calls them, without what ``combine`` says of it."""
    if "public_set" not in rows:
        return rows["patient"]
    prefixes = rows["public_set"].where(rows["public_set"] != "", rows["source"]) + "/"
    names = [
        patient.removeprefix(prefix)
        for patient, prefix in zip(rows["patient"], prefixes, strict=True)
    ]
    return pd.Series(names, rows.index, dtype="str")


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


def _split(checkpoint: Checkpoint) -> pd.DataFrame:
    file = checkpoint.folder / SPLIT_FILE
    if not file.exists():
        return pd.DataFrame(columns=["image_id", "part", "source"], dtype="str")
    return read_split(file)
