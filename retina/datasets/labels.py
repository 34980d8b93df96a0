"""The tables of a data folder: which columns hold the name and the grade, and what they say."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retina.errors import DataError
from retina.scale import GRADES, NUM_GRADES


@dataclass(frozen=True)
class TableFormat:
    """A kind of table, by the lower-case names that its columns may have."""

    name: str
    image_columns: tuple[str, ...]
    grade_columns: tuple[str, ...]


TABLE_FORMATS: tuple[TableFormat, ...] = (
    TableFormat("EyePACS", ("image",), ("level",)),
    TableFormat("APTOS", ("id_code",), ("diagnosis",)),
    TableFormat("IDRiD", ("image name",), ("retinopathy grade",)),
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
    """Tell the format of a CSV file from its first line; None where it is none of ours.

    A sample submission has the columns of a table of labels but no labels, and is none of ours.
    """
    if _key(file.stem) == _SAMPLE_SUBMISSION:
        return None
    columns, _ = _header(file)
    for known in TABLE_FORMATS:
        if _pick(columns, known.image_columns) and _pick(columns, known.grade_columns):
            return known
    return None


def read_table(file: Path, known: TableFormat) -> pd.DataFrame:
    """Read a recognised CSV file as text.

    Returns:
        ``image`` (str), ``grade`` (float64, NaN where unusable), and ``patient`` and ``eye`` (str,
        ``""`` where the table does not say).

    Raises:
        DataError: The rows do not fit the header.
    """
    columns, delimiter = _header(file)
    wanted = (known.image_columns, known.grade_columns, _PATIENT_COLUMNS, _EYE_COLUMNS)
    picked = {columns.index(name) for names in wanted if (name := _pick(columns, names))}
    rows = _read_csv(file, sep=delimiter, header=0, usecols=sorted(picked))
    rows.columns = pd.Index([columns[position] for position in sorted(picked)])
    empty = pd.Series("", index=rows.index, dtype="str")

    def column(names: tuple[str, ...]) -> "pd.Series[str]":
        name = _pick(columns, names)
        return rows[name].str.strip() if name else empty

    return pd.DataFrame(
        {
            "image": column(known.image_columns),
            "grade": read_grades(column(known.grade_columns)),
            "patient": column(_PATIENT_COLUMNS),
            "eye": column(_EYE_COLUMNS).str.lower().map(_EYES).fillna(""),
        }
    )


def read_headerless_column(file: Path) -> "pd.Series[str]":
    """Read a CSV file of one column without a header; its first line is a value like the others."""
    return _read_csv(file, header=None, names=["value"])["value"].str.strip()


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
