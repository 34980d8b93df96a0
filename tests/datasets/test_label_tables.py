import math
from pathlib import Path

import pandas as pd
import pytest

from retina.datasets.label_tables import read_grades, read_table, recognise
from retina.errors import DataError
from tests.datasets.pictures import write_table


def test_grades_are_whole_numbers_of_the_scale_or_its_labels() -> None:
    texts = ["0", "4", "2.0", "No DR", "Proliferative DR", "Proliferate_DR", "moderate"]
    assert read_grades(pd.Series(texts)).tolist() == [0, 4, 2, 0, 4, 4, 2]


@pytest.mark.parametrize("text", ["", "5", "-1", "2.5", "(1)", "nan", "inf", "healthy"])
def test_anything_else_is_no_grade(text: str) -> None:
    assert math.isnan(read_grades(pd.Series([text], dtype="str")).iloc[0])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("image,level", "EyePACS"),
        ("id_code,diagnosis", "APTOS"),
        ("Image name,Retinopathy grade,Risk of macular edema ", "IDRiD"),
        ("filename,patient,Label", "plain CSV"),
        ("image_id,grade", "plain CSV"),
        ("id_code", None),
        ("image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable", "Messidor-2"),
        ("id_code,diagnosis,adjudicated_dme,adjudicated_gradable", "Messidor-2"),
        ("left;right", None),
        ("image_id,part", None),
        ("", None),
    ],
)
def test_a_table_is_recognised_by_its_columns(
    tmp_path: Path, header: str, expected: str | None
) -> None:
    write_table(tmp_path / "any.csv", f"{header}\n")
    known = recognise(tmp_path / "any.csv")
    assert (known.name if known else None) == expected


@pytest.mark.parametrize("name", ["sample_submission.csv", "sampleSubmission.csv"])
def test_a_sample_submission_is_no_table_of_labels(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / name, "id_code,diagnosis\na,0\n")
    assert recognise(tmp_path / name) is None


@pytest.mark.parametrize(
    "text",
    [
        "image_id,grade\n007,2\nNA,0\n",
        "\ufeffimage_id,grade\r\n007,2\r\nNA,0\r\n",
        " Image_ID ; Grade \n 007 ; 2 \nNA;0\n",
        "image_id\tgrade\n007\t2\nNA\t0",
        "image_id,grade,,,\n007,2,,,\nNA,0,,,,,\n",
    ],
)
def test_marks_line_ends_delimiters_and_empty_columns_do_not_matter(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "labels.csv"
    write_table(file, text)
    known = recognise(file)
    assert known is not None
    rows = read_table(file, known)
    assert rows["image"].tolist() == ["007", "NA"]
    assert rows["grade"].tolist() == [2, 0]


def test_a_broken_table_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    write_table(file, 'image_id,grade\n"a,0\nb,1\n')
    known = recognise(file)
    assert known is not None
    with pytest.raises(DataError, match="not a well-formed CSV"):
        read_table(file, known)
