import csv
import io

import pytest

from retina.spreadsheet import csv_text, no_formula, with_formulas


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(1)", "\t1", "\r=1", "=cmd|' /C calc'!A0", '=a,"b"\nc']
)
def test_no_text_can_run_as_a_formula(text: str) -> None:
    [row] = csv.DictReader(io.StringIO(csv_text(["note"], [{"note": text}]), newline=""))
    assert row == {"note": "'" + text.replace("\r", " ")}


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a; @SUM(1);-2.jpg", "a;' @SUM(1);'-2.jpg"),
        ("a\t+1", "a\t'+1"),
        ("a\n=1", "a\n'=1"),
        ("\t=1", "'\t'=1"),
        (" =1", "' =1"),
        ("＝1+1", "'＝1+1"),
        ("=;=", "'=;'="),
    ],
)
def test_none_runs_where_another_sign_ends_a_cell(text: str, safe: str) -> None:
    [row] = csv.DictReader(io.StringIO(csv_text(["note"], [{"note": text}]), newline=""))
    assert row == {"note": safe}


def test_all_else_stays_as_it_is() -> None:
    values = {"name": "a=b; c-d", "number": -0.5, "none": None, "flag": True}
    [row] = csv.DictReader(io.StringIO(csv_text(list(values), [values])))
    assert row == {"name": "a=b; c-d", "number": "-0.5", "none": "", "flag": "True"}


@pytest.mark.parametrize("text", ["-12_left", "=1+1", "a;=1", "\t=1", "it's", "'quoted'", "plain"])
def test_a_text_comes_back_as_it_was(text: str) -> None:
    assert with_formulas(no_formula(text)) == text
