"""Training, validation and test parts: 70/10/20 %, stratified by grade, grouped by patient."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from retina.atomic import write_text
from retina.errors import DataError
from retina.limits import MAX_TABLE, refuse_large

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")

SHARES: Mapping[str, int] = {TRAIN: 7, VALIDATION: 1, TEST: 2}
SHARES_OF_GIVEN_TRAINING: Mapping[str, int] = {TRAIN: 7, VALIDATION: 1}


def split(
    table: pd.DataFrame, seed: int = 0, given_parts: "pd.Series[str] | None" = None
) -> "pd.Series[str]":
    """Deal the photographs of a catalog's table to the three parts.

    All photographs of a patient go to one part. Each part has its share of the whole, and of each
    grade, to within about one patient. The result depends on the seed and on the rows, not on
    their order.

    Args:
        table: ``image_id``, ``grade`` and ``patient``, as in ``Catalog.table``.
        seed: At least 0.
        given_parts: ``PARTS`` by the index of ``table`` (rows that ``table`` no longer holds are
            passed over). These then stay as given; where none is for validation, an eighth of the
            training list becomes it, and patients are kept together inside that list only.

    Returns:
        ``"train"``, ``"validation"`` or ``"test"`` by the index of ``table``.

    Raises:
        DataError: There are too few patients for every part to get one.
    """
    if given_parts is None:
        parts = _deal(table, SHARES, seed)
    else:
        parts = given_parts.loc[table.index].astype("str").rename("part")
        if not (given_parts == VALIDATION).any():
            listed = parts == TRAIN
            parts[listed] = _deal(table[listed], SHARES_OF_GIVEN_TRAINING, seed)
    empty = [part for part in PARTS if not (parts == part).any()]
    if empty:
        raise DataError(
            f"{table['patient'].nunique()} patients are too few to split: no picture is left for "
            f"{' and '.join(empty)}; give more pictures."
        )
    return parts


def _deal(table: pd.DataFrame, shares: Mapping[str, int], seed: int) -> "pd.Series[str]":
    """Give each patient in turn to the part that lags most behind its share.

    The patients stand in a row ordered by the grades of their photographs, worst first, and at
    random among those with the same grades. Every stretch of that row, and so every grade, is
    therefore dealt in the shares.
    """
    grades: dict[str, list[int]] = {}
    for patient, grade in zip(table["patient"], table["grade"], strict=True):
        grades.setdefault(patient, []).append(grade)
    patients = sorted(grades)
    np.random.default_rng(seed).shuffle(patients)
    patients.sort(key=lambda patient: sorted(grades[patient], reverse=True), reverse=True)

    # Counts are kept in units of 1/total of a photograph, which makes every comparison exact.
    total = sum(shares.values())
    owed = dict.fromkeys(shares, 0)
    part_of: dict[str, str] = {}
    for patient in patients:
        count = len(grades[patient])
        for part, share in shares.items():
            owed[part] += share * count
        chosen = max(owed, key=lambda part: owed[part])
        owed[chosen] -= total * count
        part_of[patient] = chosen
    return table["patient"].map(part_of).astype("str").rename("part")


def write_split(file: str | os.PathLike[str], table: pd.DataFrame, parts: "pd.Series[str]") -> None:
    """Write ``split.csv``: ``image_id,part``, sorted by ``image_id``, atomically.

    Raises:
        OSError: The disk refused.
    """
    rows = pd.DataFrame({"image_id": table["image_id"], "part": parts}).sort_values("image_id")
    write_text(Path(file), rows.to_csv(index=False, lineterminator="\n"))


def read_split(file: str | os.PathLike[str]) -> "pd.Series[str]":
    """Read ``split.csv``.

    Returns:
        The parts (``PARTS``), indexed by ``image_id`` (str, unique), in the file's order.

    Raises:
        DataError: The file is missing or is not such a file.
    """
    refuse_large(Path(file), MAX_TABLE, DataError)
    try:
        rows = pd.read_csv(file, dtype="str", keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(
            f"There is no {file}: it says which pictures belong to which part."
        ) from error
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{file} cannot be read as a CSV file of image_id,part.") from error
    if list(rows.columns) != ["image_id", "part"]:
        raise DataError(f"{file} has to have the two columns image_id,part.")
    unknown = sorted(set(rows["part"]) - set(PARTS))
    if unknown:
        raise DataError(f"{file} names the part {unknown[0]!r}; the parts are {', '.join(PARTS)}.")
    if not rows["image_id"].is_unique:
        raise DataError(f"{file} names a picture twice; each image_id may stand in it once.")
    return rows.set_index("image_id")["part"]
