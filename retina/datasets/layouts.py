"""The layout of a data folder: which of its files label which photographs."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from retina.datasets.folder import DataFolder, without_ending
from retina.datasets.label_tables import (
    TABLE_FORMATS,
    grade_of_name,
    is_list_of_pairs,
    lab_folders,
    read_ddr_lists,
    read_lab_lists,
    read_pairs,
    read_table,
    recognise,
)

LAB_LISTS = "lab lists"
CLASS_FOLDERS = "class folders"
NO_LABELS = "no labels"

# Why a row that has a grade of the scale labels no photograph.
NO_NAME = "no name"
NO_PICTURE = "no picture"
AMBIGUOUS = "ambiguous"  # several photographs have its name
CONTRADICTED = "contradicted"  # by another row on the same photograph
REPEATED = "repeated"


@dataclass(frozen=True)
class Layout:
    """The labels of a data folder.

    Attributes:
        format: How they were recognised, as in ``Catalog.format``.
        rows: Every row of the tables or lists: ``image_id`` (str), ``path`` (str, relative to the
            folder, ``""`` without a photograph), ``written`` (str, the grade as it stands there),
            ``grade`` (float64, NaN where there is none), ``fault`` (str, why the row labels no
            photograph, ``""`` where it does), ``patient``, ``eye`` and ``source`` (str, ``""``
            where not known) and, where the data set comes with a split, ``part``.
    """

    format: str
    rows: pd.DataFrame

    @property
    def pictured(self) -> int:
        """Rows that have a photograph."""
        return int((self.rows["path"] != "").sum())

    def count(self, *faults: str) -> int:
        """Rows with one of these faults."""
        return int(self.rows["fault"].isin(faults).sum())


def find_layout(found: DataFolder) -> Layout | None:
    """Recognise the layout of a data folder.

    Tables of one format are taken together. Where several layouts fit, the one that labels most
    photographs is taken; folders named by grades count where no table labels any, and one such
    folder alone only where it holds all photographs: a number may mean something else.

    Returns:
        The layout, None where none is recognised.

    Raises:
        DataError: A table is not well-formed.
    """
    layouts = [*_lab_lists(found), *_ddr_lists(found), *_tables(found)]
    if not any(layout.pictured for layout in layouts):
        layouts += _class_folders(found)
    if not layouts:
        return None
    chosen = max(layouts, key=lambda layout: layout.pictured)
    return Layout(chosen.format, _compared(chosen.rows))


def without_labels(found: DataFolder) -> Layout:
    """The layout of a folder of photographs without labels: one row per photograph."""
    rows = pd.DataFrame(
        {"image_id": _names(found.pictures), "path": found.pictures, "written": ""}, dtype="str"
    )
    rows = rows.assign(grade=float("nan"), fault="", patient="", eye="", source="")
    return Layout(NO_LABELS, rows)


def _lab_lists(found: DataFolder) -> list[Layout]:
    return [
        Layout(
            LAB_LISTS,
            _with_paths(found, read_lab_lists(found.root / folder).assign(source=f"{folder}/")),
        )
        for folder in lab_folders(found)
    ]


def _ddr_lists(found: DataFolder) -> list[Layout]:
    layouts = []
    for folder in sorted({file.rpartition("/")[0] for file in found.lists}):
        rows = read_ddr_lists(found, folder)
        if rows is not None:
            if not {"train", "test"} <= set(rows["part"]):
                rows = rows.drop(columns="part")
            layouts.append(Layout("DDR", _with_paths(found, rows)))
    return layouts


def _tables(found: DataFolder) -> list[Layout]:
    by_format: dict[str, list[pd.DataFrame]] = {}
    for table in found.tables:
        known = recognise(found.root / table)
        if known is not None:
            rows = read_table(found.root / table, known).assign(source=table)
            by_format.setdefault(known.name, []).append(_with_paths(found, rows))
    layouts = {name: Layout(name, _together(tables)) for name, tables in by_format.items()}
    if "Messidor-2" in layouts:
        layouts["Messidor-2"] = _with_pairs(found, layouts["Messidor-2"])
    return [layouts[known.name] for known in TABLE_FORMATS if known.name in layouts]


def _together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Join tables of one format, without those that label no photograph, if any labels one."""
    pictured = [table for table in tables if (table["path"] != "").any()]
    rows = pd.concat(pictured or tables, ignore_index=True)
    # Where photographs share a name, as in IDRiD's two sets, their folders tell them apart.
    with_picture = rows[rows["path"] != ""]
    shared = with_picture.groupby("image_id")["path"].transform("nunique") > 1
    whole = with_picture.loc[shared, "path"].map(without_ending)
    rows.loc[whole.index, "image_id"] = whole
    return rows


def _with_pairs(found: DataFolder, layout: Layout) -> Layout:
    """Take patient and eye from Messidor-2's list of pairs, if it is in the folder."""
    lists = [file for file in found.tables if is_list_of_pairs(found.root / file)]
    if not lists:
        return layout
    pairs = pd.concat([read_pairs(found.root / file) for file in lists], ignore_index=True)
    pairs = pairs.assign(image_id=[without_ending(name) for name in pairs["image"]])
    pairs = pairs[pairs["image_id"] != ""].drop_duplicates("image_id").set_index("image_id")
    known = layout.rows["image_id"]
    patients = known.map(pairs["patient"].map(without_ending))
    rows = layout.rows.assign(
        patient=patients.fillna(layout.rows["patient"]),
        eye=known.map(pairs["eye"]).fillna(layout.rows["eye"]),
    )
    return Layout(layout.format, rows)


def _class_folders(found: DataFolder) -> list[Layout]:
    graded = [
        (picture, PurePosixPath(picture).parent.name, grade)
        for picture in found.pictures
        if (grade := grade_of_name(PurePosixPath(picture).parent.name)) is not None
    ]
    grades = {grade for _, _, grade in graded}
    if not grades or (len(grades) == 1 and len(graded) < len(found.pictures)):
        return []
    table = pd.DataFrame(graded, columns=["path", "written", "grade"])
    table = table.assign(image_id=_names(table["path"]), grade=table["grade"].astype("float64"))
    return [Layout(CLASS_FOLDERS, table.assign(fault="", patient="", eye="", source=""))]


def _names(pictures: Iterable[str]) -> list[str]:
    """The name of each photograph, with its folders where another has the same."""
    wholes = [without_ending(picture) for picture in pictures]
    names = [whole.rpartition("/")[2] for whole in wholes]
    counts = Counter(names)
    return [name if counts[name] == 1 else whole for name, whole in zip(names, wholes, strict=True)]


def _with_paths(found: DataFolder, rows: pd.DataFrame) -> pd.DataFrame:
    """Turn the names of a table into image ids, and look for their photographs."""
    names = [name.replace("\\", "/") for name in rows["image"]]
    matches = [
        found.find(name, near=source) for name, source in zip(names, rows["source"], strict=True)
    ]
    rows = rows.assign(
        image_id=pd.Series([without_ending(name) for name in names], rows.index, dtype="str"),
        path=pd.Series(
            [match[0] if len(match) == 1 else "" for match in matches], rows.index, dtype="str"
        ),
    )
    several = pd.Series([len(match) > 1 for match in matches], rows.index, dtype="bool")
    graded = rows["fault"] == ""
    rows.loc[graded & (rows["path"] == ""), "fault"] = NO_PICTURE
    rows.loc[graded & several, "fault"] = AMBIGUOUS
    rows.loc[graded & (rows["image_id"] == ""), "fault"] = NO_NAME
    return rows if "patient" in rows else rows.assign(patient="", eye="")


def _compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Mark the rows that contradict or repeat another row on the same photograph."""
    fault = rows["fault"].copy()
    labelled = rows[fault == ""]
    differ = labelled.groupby("path")["grade"].transform("nunique") > 1
    fault[differ.index[differ]] = CONTRADICTED
    agreed = labelled[~differ]
    repeated = agreed.duplicated("path") | agreed.duplicated("image_id")
    fault[repeated.index[repeated]] = REPEATED
    return rows.assign(fault=fault)
