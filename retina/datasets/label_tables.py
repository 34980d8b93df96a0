"""Tables of labels: the columns that hold names and grades, and reading them."""

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retina.datasets.folder import DataFolder
from retina.datasets.splits import TEST, TRAIN, VALIDATION
from retina.errors import DataError
from retina.files import MAX_TABLE, refuse_large
from retina.scale import GRADES, NUM_GRADES

KAGGLE_TERMS = "Kaggle competition rules: research, the photographs not for redistribution"
OWNERS_TERMS = "as the owner of the data folder sets them"


@dataclass(frozen=True)
class TableFormat:
    """A kind of table, by the lower-case names that its columns may have.

    Attributes:
        name: What it is called.
        image_columns: The column that holds the photograph's name is the first of these.
        grade_columns: And that of its grade the first of these.
        gradable_columns: Where given, the table has to have one; 0 in it means that the graders
            could not grade the photograph.
        stem: Where given, the file has to be called so, apart from capitals and signs.
        ungradable: Where given, this in place of a grade means the same.
        terms: Under which the photographs may be used, in words.
    """

    name: str
    image_columns: tuple[str, ...]
    grade_columns: tuple[str, ...]
    gradable_columns: tuple[str, ...] = ()
    stem: str = ""
    ungradable: str | None = None
    terms: str = OWNERS_TERMS


# The first that fits is taken, so that those which ask for more come first.
TABLE_FORMATS: tuple[TableFormat, ...] = (
    TableFormat(
        "Messidor-2",
        ("image_id", "id_code"),
        ("adjudicated_dr_grade", "diagnosis"),
        gradable_columns=("adjudicated_gradable",),
    ),
    TableFormat("DDR", ("id_code",), ("diagnosis",), stem="DR_grading", ungradable="5"),
    TableFormat("EyePACS", ("image",), ("level",), terms=KAGGLE_TERMS),
    TableFormat("APTOS", ("id_code",), ("diagnosis",), terms=KAGGLE_TERMS),
    TableFormat(
        "IDRiD",
        ("image name",),
        ("retinopathy grade",),
        terms="CC BY 4.0, Porwal et al., Data 2018, 3(3), 25",
    ),
    TableFormat(
        "plain CSV",
        ("image_id", "image", "filename"),
        ("grade", "label", "level", "diagnosis"),
    ),
)

_PATIENT_COLUMNS = ("patient", "patient_id")
_EYE_COLUMNS = ("eye", "laterality")
_EYES = {"left": "left", "l": "left", "os": "left", "right": "right", "r": "right", "od": "right"}
_SAMPLE_SUBMISSION = "samplesubmission"

# Why a row has no grade.
MARKED_UNGRADABLE = "ungradable"  # the graders could not grade the photograph
NO_GRADE = "no grade"  # of the scale


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


_GRADE_OF_DIGIT: Mapping[str, int] = {str(grade.number): grade.number for grade in GRADES}
_GRADE_OF_LABEL: Mapping[str, int] = {
    **{_key(grade.label): grade.number for grade in GRADES},
    "proliferative": 4,
    "proliferatedr": 4,  # as a widely used copy of APTOS spells it
}


def grade_of_name(name: str) -> int | None:
    """Read a grade, 0 to 4, from a digit or a label of the scale; None where it is neither."""
    return _GRADE_OF_DIGIT.get(name.strip(), _GRADE_OF_LABEL.get(_key(name)))


def read_grades(texts: "pd.Series[str]") -> "pd.Series[float]":
    """Read grades from text: whole numbers 0 to 4 (``2.0`` is one) or labels; NaN for the rest."""
    numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    labels = texts[numbers.isna()].map(grade_of_name)
    numbers = numbers.fillna(labels.astype("float64"))
    return numbers.where(numbers.isin(range(NUM_GRADES)))


def recognise(file: Path) -> TableFormat | None:
    """Recognise the format of a CSV file from its first line; None if unknown.

    A sample submission has the columns of a table of labels but no labels, and is none of ours.
    """
    if _key(file.stem) == _SAMPLE_SUBMISSION:
        return None
    columns, _ = _header(file)
    for known in TABLE_FORMATS:
        if (
            _pick(columns, known.image_columns)
            and _pick(columns, known.grade_columns)
            and (not known.gradable_columns or _pick(columns, known.gradable_columns))
            and (not known.stem or _key(known.stem) == _key(file.stem))
        ):
            return known
    return None


def is_list_of_pairs(file: Path) -> bool:
    """Whether a CSV file is Messidor-2's list of the two eyes of each patient."""
    return _header(file)[0] == ["left", "right"]


def read_table(file: Path, known: TableFormat) -> pd.DataFrame:
    """Read a recognised CSV file as text.

    Returns:
        ``image`` (str), ``written`` (str, the grade as it stands there), ``grade`` (float64, NaN
        where unusable), ``fault`` (str, ``MARKED_UNGRADABLE`` or ``NO_GRADE`` where there is no
        grade, else ``""``), and ``patient`` and ``eye`` (str, ``""`` where the table does not say).

    Raises:
        DataError: The rows do not fit the header.
    """
    rows = _read_columns(
        file,
        known.image_columns,
        known.grade_columns,
        known.gradable_columns,
        _PATIENT_COLUMNS,
        _EYE_COLUMNS,
    )
    columns = list(rows.columns)
    empty = pd.Series("", index=rows.index, dtype="str")

    def column(names: tuple[str, ...]) -> "pd.Series[str]":
        name = _pick(columns, names)
        return rows[name].str.strip() if name else empty

    graded = with_grades(column(known.image_columns), column(known.grade_columns), known.ungradable)
    ungradable = read_grades(column(known.gradable_columns)) == 0
    graded.loc[ungradable, "grade"] = float("nan")
    graded.loc[ungradable, "fault"] = MARKED_UNGRADABLE
    return graded.assign(
        patient=column(_PATIENT_COLUMNS), eye=column(_EYE_COLUMNS).str.lower().map(_EYES).fillna("")
    )


def with_grades(
    images: "pd.Series[str]", written: "pd.Series[str]", ungradable: str | None = None
) -> pd.DataFrame:
    """Join names and grades as written.

    Args:
        images: Names of photographs.
        written: Their grades.
        ungradable: What stands in place of a grade where the graders could not grade.

    Returns:
        ``image``, ``written``, ``grade`` and ``fault``, as ``read_table`` has them.
    """
    grade = read_grades(written)
    fault = pd.Series("", index=written.index, dtype="str")
    fault[grade.isna()] = NO_GRADE
    if ungradable is not None:
        fault[written == ungradable] = MARKED_UNGRADABLE
    return pd.DataFrame({"image": images, "written": written, "grade": grade, "fault": fault})


def read_pairs(file: Path) -> pd.DataFrame:
    """Read Messidor-2's list of the two eyes of each patient, ``left;right``.

    Returns:
        ``image`` (str), ``patient`` (str, the name of the left eye's photograph) and ``eye``.

    Raises:
        DataError: The rows do not fit the header.
    """
    pairs = _read_columns(file, ("left",), ("right",)).apply(lambda column: column.str.strip())
    eyes = [
        pd.DataFrame({"image": pairs[eye], "patient": pairs["left"], "eye": eye})
        for eye in ("left", "right")
    ]
    return pd.concat(eyes, ignore_index=True)


def read_headerless_column(file: Path) -> "pd.Series[str]":
    """Read a CSV file of one column without a header; its first line is a value like the others.

    A blank line is an empty value, so that two lists stay line by line; at the end it is nothing.
    """
    values = _read_csv(file, header=None, names=["value"], skip_blank_lines=False)["value"]
    values = values.str.strip()
    return values[: values.ne("").to_numpy().nonzero()[0].max(initial=-1) + 1]


def _read_columns(file: Path, *wanted: tuple[str, ...]) -> pd.DataFrame:
    """The columns of a file, of each of ``wanted`` the first that it has, by lower-case name."""
    columns, delimiter = _header(file)
    names = [name for choices in wanted if (name := _pick(columns, choices))]
    if repeated := [name for name in names if columns.count(name) > 1]:
        raise DataError(f"{file} has several columns called {repeated[0]}: leave one of them.")
    picked = {columns.index(name) for name in names}
    rows = _read_csv(file, sep=delimiter, header=0, usecols=sorted(picked))
    rows.columns = pd.Index([columns[position] for position in sorted(picked)])
    return rows


def _pick(columns: list[str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in columns), None)


def _header(file: Path) -> tuple[list[str], str]:
    """Read the column names, lower-case and without blanks around them, and the delimiter."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            first = lines.readline(100_000)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}).") from error
    delimiter = max(",;\t", key=first.count)
    cells = next(csv.reader([first.rstrip("\r\n")], delimiter=delimiter), [])
    return [cell.strip().lower() for cell in cells], delimiter


def _read_csv(file: Path, **options: object) -> pd.DataFrame:
    refuse_large(file, MAX_TABLE, DataError)
    try:
        rows: pd.DataFrame = pd.read_csv(  # type: ignore[call-overload]
            file,
            dtype="str",
            keep_default_na=False,
            encoding="utf-8-sig",
            encoding_errors="replace",
            index_col=False,
            **options,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{file} is not a well-formed CSV file ({reason}).") from error
    return rows.fillna("")


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
    """Read those of DDR's lists that a folder has, ``train.txt``, ``valid.txt`` and ``test.txt``.

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
