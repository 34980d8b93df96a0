"""Data sets whose labels are lists without a header, a list a part: the lab's and DDR's."""

import os
import re
from pathlib import Path

import pandas as pd

from retina.datasets.folder import DataFolder
from retina.datasets.labels import read_headerless_column, with_grades
from retina.datasets.splits import TEST, TRAIN, VALIDATION
from retina.errors import DataError
from retina.files import MAX_TABLE, refuse_large

LAB_FILES = ("train_img.csv", "train_label.csv", "test_img.csv", "test_label.csv")
DDR_FILES = {"train.txt": TRAIN, "valid.txt": VALIDATION, "test.txt": TEST}

DDR_UNGRADABLE = "5"
_DDR_LINE = re.compile(
    r"(?P<image>\S.*\.(?:jpe?g|png|tiff?))[\s,]+(?P<written>\d+)\s*", re.IGNORECASE
)


def read_lab_lists(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the lab's four lists, whether or not the photographs are there.

    The files have no header; the lab read them with one and so lost the first row of each.

    Returns:
        ``image`` (str, such as ``2576_right``), ``written``, ``grade`` and ``fault`` as
        ``labels.with_grades`` has them, and ``part`` (``"train"`` or ``"test"``), in the order of
        the files, training first.

    Raises:
        DataError: A list is missing, or names and labels differ in number.
    """
    parts = []
    for part in (TRAIN, TEST):
        images = read_headerless_column(Path(folder) / f"{part}_img.csv")
        labels = read_headerless_column(Path(folder) / f"{part}_label.csv")
        if len(images) != len(labels):
            raise DataError(
                f"{part}_img.csv has {len(images)} rows and {part}_label.csv {len(labels)} in "
                f"{folder}: they have to match line by line."
            )
        parts.append(with_grades(images, labels).assign(part=part))
    return pd.concat(parts, ignore_index=True)


def lab_folders(found: DataFolder) -> list[str]:
    """The sub-folders, ``""`` for the folder itself, that hold all four of the lab's lists."""
    tables = set(found.tables)
    folders = {table.rpartition("/")[0] for table in tables}
    return sorted(
        folder for folder in folders if all(_join(folder, name) in tables for name in LAB_FILES)
    )


def read_ddr_lists(found: DataFolder, folder: str) -> pd.DataFrame | None:
    """Read what a folder has of DDR's lists, ``train.txt``, ``valid.txt`` and ``test.txt``.

    A line is the name of a photograph and its grade, 5 where the graders could not grade it.

    Args:
        found: The data folder.
        folder: The sub-folder that may hold the lists, ``""`` for the folder itself.

    Returns:
        ``image``, ``written``, ``grade``, ``fault``, ``part`` (``PARTS``) and ``source`` (str, the
        list); None where these are no such lists.

    Raises:
        DataError: A line of a list is not as the lines before it.
    """
    parts = []
    for name, part in DDR_FILES.items():
        file = _join(folder, name)
        rows = _read_ddr_list(found.root / file) if file in found.lists else None
        if rows is not None:
            parts.append(rows.assign(part=part, source=file))
    return pd.concat(parts, ignore_index=True) if parts else None


def _read_ddr_list(file: Path) -> pd.DataFrame | None:
    refuse_large(file, MAX_TABLE, DataError)
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}).") from error
    lines = [line for line in text.splitlines() if line.strip()]
    matches = [_DDR_LINE.fullmatch(line) for line in lines]
    if not matches or matches[0] is None:
        return None
    if None in matches:
        raise DataError(
            f"{file} has a line that is no picture's name and grade: {lines[matches.index(None)]!r}"
        )
    rows = pd.DataFrame([match.groupdict() for match in matches if match], dtype="str")
    return with_grades(rows["image"], rows["written"], DDR_UNGRADABLE)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
