"""The table of a data set: the grade, patient and eye of each photograph."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from retina.datasets.folder import DataFolder, scan
from retina.datasets.label_tables import (
    KAGGLE_TERMS,
    MARKED_UNGRADABLE,
    NO_GRADE,
    OWNERS_TERMS,
    TABLE_FORMATS,
)
from retina.datasets.layouts import (
    AMBIGUOUS,
    CONTRADICTED,
    LAB_LISTS,
    NO_NAME,
    NO_PICTURE,
    Layout,
    find_layout,
)
from retina.errors import DataError

CATALOG_COLUMNS = ("image_id", "path", "grade", "patient", "eye")

_PATIENT_AND_EYE = re.compile(r"(\d+)_(left|right)")


@dataclass(frozen=True, eq=False)
class Catalog:
    """The labelled photographs of one data folder.

    Attributes:
        name: The folder's name.
        format: How it was recognised: ``"EyePACS"``, ``"APTOS"``, ``"IDRiD"``, ``"Messidor-2"``,
            ``"DDR"``, ``"class folders"``, ``"plain CSV"`` or ``"lab lists"``; ``"synthetic"``
            where it was drawn.
        root: The folder, absolute.
        table: One row a photograph, sorted by ``image_id``, indexed 0, 1, 2, ...: ``image_id``
            (str, unique), ``path`` (str, absolute), ``grade`` (int64, 0 to 4), ``patient`` (str)
            and ``eye`` (``"left"``, ``"right"`` or ``""``).
        labels_without_picture: Usable rows of the tables whose photograph is not in the folder.
        pictures_without_label: Photographs in the folder that ``table`` does not hold.
        unusable_rows: Rows without a name, without a grade of the scale, with a name that several
            photographs share, or that contradict another row on the same photograph.
        given_parts: ``"train"``, ``"validation"`` or ``"test"`` for every row of ``table``, by its
            index, where the data set comes with a split of its own (the lab's lists, which have no
            validation, and DDR's); otherwise None.
    """

    name: str
    format: str
    root: Path
    table: pd.DataFrame
    labels_without_picture: int = 0
    pictures_without_label: int = 0
    unusable_rows: int = 0
    given_parts: "pd.Series[str] | None" = None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the sorted pairs of ``image_id`` and ``grade``."""
        pairs = sorted(zip(self.table["image_id"], self.table["grade"], strict=True))
        lines = "".join(f"{image_id},{grade}\n" for image_id, grade in pairs)
        return hashlib.sha256(lines.encode()).hexdigest()


def patient_and_eye(image_id: str) -> tuple[str, str]:
    """Read patient and eye from an EyePACS name such as ``2576_right``.

    Any other name is a patient of its own, and the eye is unknown (``""``).
    """
    match = _PATIENT_AND_EYE.fullmatch(image_id.rpartition("/")[2])
    return (match[1], match[2]) if match else (image_id, "")


_TABLES = [
    ",".join(
        names[0]
        for names in (each.image_columns, each.grade_columns, each.gradable_columns)
        if names
    )
    + f" ({each.name})"
    for each in TABLE_FORMATS
]
LOOKED_FOR = (
    f"a CSV file with the columns {' or '.join(_TABLES)}; DDR's train.txt, valid.txt and test.txt; "
    "the lab's train_img.csv, train_label.csv, test_img.csv and test_label.csv; and folders named "
    "0 to 4 or by the labels"
)
_TERMS = {each.name: each.terms for each in TABLE_FORMATS} | {LAB_LISTS: KAGGLE_TERMS}


def read_folder(folder: str | os.PathLike[str]) -> Catalog:
    """Read a folder of labelled photographs in one of the known layouts.

    - tables with the columns of EyePACS, APTOS, IDRiD, Messidor-2, DDR or a plain CSV, wherever
      they lie; tables of one format are taken together, sample submissions and tables without
      photographs are not; Messidor-2's list of pairs gives its patients;
    - DDR's three lists and the lab's four, which also give a split;
    - folders named 0 to 4, or by the labels of the scale.

    Photographs are found by name in any sub-folder. Where several layouts fit, the one that labels
    most photographs is taken. ``docs/data-formats.md`` shows each.

    Args:
        folder: The folder; links are followed.

    Returns:
        The catalog; nothing is decoded.

    Raises:
        DataError: There is no such folder, no layout is recognised, no row has a photograph, or two
            tables contradict each other.
    """
    found = scan(folder)
    layout = find_layout(found)
    if layout is None:
        raise DataError(f"No labels were recognised in {folder}; looked for {LOOKED_FOR}.")
    _refuse_disputes(layout.rows)
    return catalog_of(found, layout)


def terms_of(catalog: Catalog) -> str:
    """The terms of use of the photographs in a data folder, in words."""
    return _TERMS.get(catalog.format, OWNERS_TERMS)


def catalog_of(found: DataFolder, layout: Layout) -> Catalog:
    """The catalog of a data folder whose layout is known.

    Raises:
        DataError: No row has a photograph.
    """
    rows = layout.rows
    kept = rows[rows["fault"] == ""]
    missing = layout.count(NO_PICTURE)
    unusable = layout.count(NO_NAME, NO_GRADE, MARKED_UNGRADABLE, AMBIGUOUS, CONTRADICTED)
    if kept.empty:
        raise DataError(_nothing_left(found, layout, missing, unusable))
    kept = with_patients(kept.sort_values("image_id", ignore_index=True))
    table = pd.DataFrame(
        {
            "image_id": kept["image_id"].astype("str"),
            "path": [str(found.root / path) for path in kept["path"]],
            "grade": kept["grade"].astype("int64"),
            "patient": kept["patient"],
            "eye": kept["eye"],
        },
        columns=list(CATALOG_COLUMNS),
    )
    return Catalog(
        name=found.root.name,
        format=layout.format,
        root=found.root,
        table=table,
        labels_without_picture=missing,
        pictures_without_label=len(found.pictures) - len(table),
        unusable_rows=unusable,
        given_parts=kept.get("part"),
    )


def with_patients(rows: pd.DataFrame) -> pd.DataFrame:
    """Read patient and eye from ``image_id`` where the table does not say."""
    derived = [patient_and_eye(image_id) for image_id in rows["image_id"]]
    patients = pd.Series([patient for patient, _ in derived], rows.index, dtype="str")
    eyes = pd.Series([eye for _, eye in derived], rows.index, dtype="str")
    return rows.assign(
        patient=rows["patient"].where(rows["patient"] != "", patients),
        eye=rows["eye"].where(rows["eye"] != "", eyes),
    )


def _refuse_disputes(rows: pd.DataFrame) -> None:
    """Raise DataError where two tables grade one photograph differently."""
    named = rows[rows["grade"].notna() & (rows["image_id"] != "")]
    graded = named.groupby(["image_id", "source"])["grade"].agg(["min", "max"]).reset_index()
    differ = graded.groupby("image_id")[["min", "max"]].nunique().max(axis=1) > 1
    disputed = differ.index[differ]
    if len(disputed):
        sources = graded.loc[graded["image_id"] == disputed[0], "source"]
        raise DataError(
            f"{' and '.join(sources)} give different grades to {len(disputed)} pictures, such as "
            f"{disputed[0]}: leave one of these tables in the folder."
        )


def _nothing_left(found: DataFolder, layout: Layout, missing: int, unusable: int) -> str:
    ambiguous = layout.rows[layout.rows["fault"] == AMBIGUOUS]
    if len(ambiguous):
        places = found.find(ambiguous["image_id"].iloc[0])
        return (
            f"Pictures in {found.root} share their names, such as {places[0]} and {places[1]}: "
            "leave one of each in the folder, or name them with their sub-folder in the table."
        )
    return (
        f"The labels in {found.root} ({layout.format}) fit none of its {len(found.pictures)} "
        f"pictures: {missing} rows name a picture that is not there, {unusable} have no usable "
        "name or grade; put the pictures into the folder, named as in the table."
    )
