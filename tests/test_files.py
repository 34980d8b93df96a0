import csv
import io
import json
from pathlib import Path

import pytest

from retina.files import (
    csv_text,
    no_formula,
    replacing,
    user_cache_folder,
    user_data_folder,
    with_formulas,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_writes_into_folders_that_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "answer.txt"
    write_text(file, "grey µ\r\nline\n")
    assert file.read_bytes() == "grey µ\r\nline\n".encode()
    assert names(file.parent) == ["answer.txt"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "answer.txt"
    write_text(file, "old")
    with replacing(file) as temporary:
        assert temporary.parent == file.parent, "a rename over file systems is no rename"
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert names(tmp_path) == ["answer.txt"]


@pytest.mark.parametrize("failure", [OSError("full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failure: BaseException
) -> None:
    file = tmp_path / "answer.txt"
    write_text(file, "old")

    def fail() -> None:
        with replacing(file) as temporary:
            temporary.write_text("ne")
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["answer.txt"]


def test_two_writers_each_leave_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "answer.txt"
    with replacing(file) as first, replacing(file) as second:
        first.write_text("first")
        second.write_text("second")
    assert file.read_text() == "first"
    assert names(tmp_path) == ["answer.txt"]


def test_json_is_read_back_as_it_was(tmp_path: Path) -> None:
    value = {"label": "Größe", "list": [1, 2.5, None, True]}
    write_json(tmp_path / "value.json", value)
    text = (tmp_path / "value.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "Größe" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_json_is_not_written(tmp_path: Path, number: float) -> None:
    file = tmp_path / "value.json"
    write_json(file, {"kappa": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        write_json(file, {"kappa": number})
    assert json.loads(file.read_text()) == {"kappa": 1.0}
    assert names(tmp_path) == ["value.json"]


def test_the_folder_is_the_users_choice_or_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, folder in (
        ("RETINA_CACHE", user_cache_folder),
        ("RETINA_DATA", user_data_folder),
    ):
        monkeypatch.setenv(variable, "somewhere")
        assert folder() == Path("somewhere").absolute()
        monkeypatch.delenv(variable)
        assert "retina" in folder().parts
        assert folder().is_absolute()
    assert user_cache_folder() != user_data_folder()


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
