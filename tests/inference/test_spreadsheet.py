import csv
import io

import pytest

from retina.inference.spreadsheet import csv_text


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", '=a,"b"\n=c']
)
def test_no_text_can_run_as_a_formula(text: str) -> None:
    [row] = csv.DictReader(io.StringIO(csv_text(["note"], [{"note": text}]), newline=""))
    assert row == {"note": "'" + text.replace("\r", " ")}


def test_all_else_stays_as_it_is() -> None:
    values = {"name": "a=b", "number": -0.5, "none": None, "flag": True}
    [row] = csv.DictReader(io.StringIO(csv_text(list(values), [values])))
    assert row == {"name": "a=b", "number": "-0.5", "none": "", "flag": "True"}
