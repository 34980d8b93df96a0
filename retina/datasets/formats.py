"""A data folder becomes a catalog: its layout is recognised by the columns of its tables."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from retina.datasets.catalog import COLUMNS, Catalog, patient_and_eye
from retina.datasets.folder import DataFolder, scan, without_ending
from retina.datasets.labels import (
    TABLE_FORMATS,
    grade_of_name,
    read_grades,
    read_headerless_column,
    read_table,
    recognise,
)
from retina.errors import DataError

LAB_LISTS = "lab lists"
CLASS_FOLDERS = "class folders"
LAB_FILES = ("train_img.csv", "train_label.csv", "test_img.csv", "test_label.csv")

_LOOKED_FOR = (
    "a CSV file with the columns image,level (EyePACS) or id_code,diagnosis (APTOS) or "
    "Image name,Retinopathy grade (IDRiD), or image_id with grade, label, level or diagnosis; "
    "the lab's train_img.csv, train_label.csv, test_img.csv and test_label.csv; "
    "and folders named 0 to 4 or by the labels"
)


@dataclass(frozen=True)
class _Labels:
    """The rows of one format.

    ``image_id, grade, patient, eye, path, source`` and, from the lab's lists, ``part``; ``path`` is
    ``""`` without a photograph and missing where several share the name.
    """

    format: str
    rows: pd.DataFrame

    @property
    def pictured(self) -> int:
        return int((self.rows["path"].fillna("") != "").sum())


def read_folder(folder: str | os.PathLike[str]) -> Catalog:
    """Read a folder of labelled photographs, in whatever layout of those below it has.

    - tables with the columns of EyePACS, APTOS, IDRiD or a plain CSV, wherever they lie; tables of
      one format are taken together, sample submissions and tables without photographs are not;
    - the lab's four lists without a header, which also give a split;
    - folders named 0 to 4, or by the labels of the scale.

    Photographs are found by name in any sub-folder. Where several layouts fit, the one that labels
    most photographs is taken.

    Args:
        folder: The folder; links are followed.

    Returns:
        The catalog; nothing is decoded.

    Raises:
        DataError: There is no such folder, no layout is recognised, no row has a photograph, or two
            tables contradict each other.
    """
    found = scan(folder)
    layouts = [*_lab_lists(found), *_tables(found)]
    if not any(layout.pictured for layout in layouts):
        layouts += _class_folders(found)
    if not layouts:
        raise DataError(f"No labels were recognised in {folder}; looked for {_LOOKED_FOR}.")
    return _catalog(found, max(layouts, key=lambda layout: layout.pictured))


def read_lab_lists(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the lab's four lists, whether or not the photographs are there.

    The files have no header; the lab read them with one and so lost the first row of each.

    Returns:
        ``image`` (str, such as ``2576_right``), ``grade`` (float64, NaN where unusable) and
        ``part`` (``"train"`` or ``"test"``), in the order of the files, training first.

    Raises:
        DataError: A list is missing, or names and labels differ in number.
    """
    parts = []
    for part in ("train", "test"):
        images = read_headerless_column(Path(folder) / f"{part}_img.csv")
        labels = read_headerless_column(Path(folder) / f"{part}_label.csv")
        if len(images) != len(labels):
            raise DataError(
                f"{part}_img.csv has {len(images)} rows and {part}_label.csv {len(labels)} in "
                f"{folder}: they have to match line by line."
            )
        parts.append(pd.DataFrame({"image": images, "grade": read_grades(labels), "part": part}))
    return pd.concat(parts, ignore_index=True)


def _lab_lists(found: DataFolder) -> list[_Labels]:
    folders = Counter(
        table.rpartition("/")[0] for table in found.tables if table.rpartition("/")[2] in LAB_FILES
    )
    complete = sorted(folder for folder, files in folders.items() if files == len(LAB_FILES))
    return [
        _Labels(LAB_LISTS, _with_paths(found, read_lab_lists(found.root / folder), folder))
        for folder in complete
    ]


def _tables(found: DataFolder) -> list[_Labels]:
    by_format: dict[str, list[pd.DataFrame]] = {}
    for table in found.tables:
        known = recognise(found.root / table)
        if known is not None:
            rows = _with_paths(found, read_table(found.root / table, known), table)
            by_format.setdefault(known.name, []).append(rows)
    return [
        _Labels(known.name, _together(by_format[known.name]))
        for known in TABLE_FORMATS
        if known.name in by_format
    ]


def _together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Join tables of one format, without those that label no photograph, if any labels one."""
    pictured = [table for table in tables if (table["path"].fillna("") != "").any()]
    return pd.concat(pictured or tables, ignore_index=True)


def _refuse_disputes(named: pd.DataFrame) -> None:
    """Raise DataError where two tables grade one picture differently."""
    graded = named.groupby(["image_id", "source"])["grade"].agg(["min", "max"]).reset_index()
    differ = graded.groupby("image_id")[["min", "max"]].nunique().max(axis=1) > 1
    disputed = differ.index[differ]
    if len(disputed):
        sources = graded.loc[graded["image_id"] == disputed[0], "source"]
        raise DataError(
            f"{' and '.join(sources)} give different grades to {len(disputed)} pictures, such as "
            f"{disputed[0]}: leave one of these tables in the folder."
        )


def _class_folders(found: DataFolder) -> list[_Labels]:
    graded = [
        (picture, grade)
        for picture in found.pictures
        if (grade := grade_of_name(PurePosixPath(picture).parent.name)) is not None
    ]
    if len({grade for _, grade in graded}) < 2:
        return []
    names = Counter(without_ending(picture).rpartition("/")[2] for picture, _ in graded)
    rows = []
    for picture, grade in graded:
        whole = without_ending(picture)
        name = whole.rpartition("/")[2]
        rows.append((name if names[name] == 1 else whole, float(grade), picture))
    table = pd.DataFrame(rows, columns=["image_id", "grade", "path"])
    return [_Labels(CLASS_FOLDERS, table.assign(patient="", eye="", source=""))]


def _with_paths(found: DataFolder, rows: pd.DataFrame, source: str) -> pd.DataFrame:
    """Turn the names of a table into image ids, and look for their photographs."""
    names = [name.replace("\\", "/") for name in rows["image"]]
    ids = [without_ending(name) for name in names]
    matches = [found.find(name) for name in names]
    paths = [None if len(match) > 1 else "".join(match) for match in matches]
    rows = rows.assign(
        image_id=pd.Series(ids, index=rows.index, dtype="str"),
        path=pd.Series(paths, index=rows.index, dtype="object"),
        source=source,
    )
    return rows if "patient" in rows else rows.assign(patient="", eye="")


def _catalog(found: DataFolder, labels: _Labels) -> Catalog:
    rows = labels.rows
    named = rows[rows["grade"].notna() & (rows["image_id"] != "")]
    _refuse_disputes(named)
    ambiguous = named["path"].isna()
    pictured = named[~ambiguous & (named["path"] != "")]
    contradicted = pictured.groupby("path")["grade"].transform("nunique") > 1
    kept = pictured[~contradicted].drop_duplicates("path").drop_duplicates("image_id")
    missing = int((named["path"] == "").sum())
    unusable = len(rows) - len(named) + int(ambiguous.sum()) + int(contradicted.sum())
    if kept.empty:
        raise DataError(_nothing_left(found, labels.format, missing, unusable, named[ambiguous]))

    kept = kept.sort_values("image_id", ignore_index=True)
    derived = [patient_and_eye(image_id) for image_id in kept["image_id"]]
    patients = pd.Series([patient for patient, _ in derived], dtype="str")
    eyes = pd.Series([eye for _, eye in derived], dtype="str")
    table = pd.DataFrame(
        {
            "image_id": kept["image_id"].astype("str"),
            "path": [str(found.root / path) for path in kept["path"]],
            "grade": kept["grade"].astype("int64"),
            "patient": kept["patient"].where(kept["patient"] != "", patients),
            "eye": kept["eye"].where(kept["eye"] != "", eyes),
        },
        columns=list(COLUMNS),
    )
    return Catalog(
        name=found.root.name,
        format=labels.format,
        root=found.root,
        table=table,
        labels_without_picture=missing,
        pictures_without_label=len(found.pictures) - len(table),
        unusable_rows=unusable,
        given_parts=kept.get("part"),
    )


def _nothing_left(
    found: DataFolder, name: str, missing: int, unusable: int, ambiguous: pd.DataFrame
) -> str:
    if len(ambiguous):
        places = found.find(ambiguous["image_id"].iloc[0])
        return (
            f"Pictures in {found.root} share their names, such as {places[0]} and {places[1]}: "
            "leave one of each in the folder, or name them with their sub-folder in the table."
        )
    return (
        f"The labels in {found.root} ({name}) fit none of its {len(found.pictures)} pictures: "
        f"{missing} rows name a picture that is not there, {unusable} have no usable name or "
        "grade; put the pictures into the folder, named as in the table."
    )
