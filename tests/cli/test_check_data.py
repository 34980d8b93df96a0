import json
import sys
from pathlib import Path

import pytest

from tests.cli.shell import retina
from tests.datasets.pictures import write_pictures, write_table

Shell = pytest.CaptureFixture[str]


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """The lab's lists, in which patient 1 has an eye in either part."""
    folder = tmp_path / "leaking"
    names = ["1_left", "1_right", "2_left", "3_left", "4_left", "5_left"]
    write_pictures(folder, [f"{name}.jpeg" for name in names])
    write_table(folder / "train_img.csv", "1_left\n2_left\n3_left\n4_left\n")
    write_table(folder / "train_label.csv", "0\n1\n2\n3\n")
    write_table(folder / "test_img.csv", "1_right\n5_left\n")
    write_table(folder / "test_label.csv", "0\n9\n")
    return folder


def test_findings_are_no_error_and_the_most_important_comes_first(
    capsys: Shell, leaking: Path
) -> None:
    answer = retina(capsys, "check-data", leaking)
    assert (answer.status, answer.errors) == (0, [])
    title, verdict, *lines = answer.out.splitlines()
    assert title == "leaking: lab lists, 6 rows, 5 photographs"
    assert verdict.startswith("Verdict: leaks: 100% of its test photographs are of patients")
    headings = [line for line in lines if line and not line.startswith(" ")]
    assert headings == [
        "Split (its own)",
        "Identical photographs (after decoding)",
        "Near-identical photographs",
        "Labels",
        "Grades",
        "Photographs",
    ]
    assert "  1 row without a grade from 0 to 4" in lines
    assert "    5_left (9)" in lines


def test_json_holds_all_of_it_and_nothing_else(capsys: Shell, leaking: Path) -> None:
    answer = retina(capsys, "check-data", leaking, "--json")
    assert answer.status == 0
    value = json.loads(answer.out)
    assert value["both"] is None
    (folder,) = value["folders"]
    assert folder["verdict"].startswith("leaks: ")
    assert folder["split"]["shared_test_share"] == 1
    assert folder["faults"] == {"no grade": [["5_left", "9"]]}
    assert sum(count for _, _, count in folder["sizes"]) == 5


def test_a_clean_folder_and_what_it_shares(capsys: Shell, leaking: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("1_left", "5_left"):
        (other / f"{name}.jpeg").write_bytes((leaking / f"{name}.jpeg").read_bytes())
    assert "Verdict: no problems found" in retina(capsys, "check-data", other).out
    answer = retina(capsys, "check-data", leaking, other)
    assert answer.status == 0
    title, verdict = answer.out.splitlines()[:2]
    assert title == "leaking and other"
    assert verdict == "Verdict: both hold 1 identical photograph; 1 patient name; 1 photograph name"
    both = json.loads(retina(capsys, "check-data", leaking, other, "--json").out)["both"]
    assert both["identical"][0]["pictures"][0] == {
        "image_id": "1_left",
        "grade": 0,
        "part": "train",
    }


def test_of_three_folders_each_two_are_looked_at(
    capsys: Shell, leaking: Path, tmp_path: Path
) -> None:
    others = [tmp_path / name for name in ("other", "third")]
    for other in others:
        other.mkdir()
        (other / "1_left.jpeg").write_bytes((leaking / "1_left.jpeg").read_bytes())
    answer = retina(capsys, "check-data", leaking, "--data", others[0], "--data", others[1])
    assert answer.status == 0
    titles = [line for line in answer.out.splitlines() if " and " in line and ":" not in line]
    assert titles == ["leaking and other", "leaking and third", "other and third"]
    value = json.loads(retina(capsys, "check-data", leaking, *others, "--json").out)
    assert value["both"] is None
    assert [pair["folders"] for pair in value["pairs"]] == [
        ["leaking", "other"],
        ["leaking", "third"],
        ["other", "third"],
    ]
    assert all(len(pair["identical"]) == 1 for pair in value["pairs"])


def test_nothing_to_check_is_one_line(capsys: Shell) -> None:
    answer = retina(capsys, "check-data")
    assert (answer.status, answer.out) == (2, "")
    assert answer.errors == ["there is nothing to check: name a data folder"]


def test_long_lists_are_cut(capsys: Shell, tmp_path: Path) -> None:
    write_pictures(tmp_path, [f"{number}.png" for number in range(8)])
    write_table(tmp_path / "labels.csv", "image,level\n0,0\n")
    lines = retina(capsys, "check-data", tmp_path).out.splitlines()
    assert "  7 photographs without a label" in lines
    assert "    ... and 2 more (--json lists them)" in lines


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses the names")
def test_no_name_steers_the_terminal_or_forges_a_line(capsys: Shell, tmp_path: Path) -> None:
    write_pictures(tmp_path, ["0.png", "1\x1b[2J.png", "2\nVerdict: no problems found.png"])
    write_table(tmp_path / "labels.csv", "image,level\n0,0\n")
    lines = retina(capsys, "check-data", tmp_path).out.splitlines()
    assert "    1\ufffd[2J.png" in lines
    assert "    2\ufffdVerdict: no problems found.png" in lines


def test_a_folder_that_is_not_there_is_one_line(capsys: Shell, tmp_path: Path) -> None:
    answer = retina(capsys, "check-data", tmp_path / "nowhere")
    assert (answer.status, answer.out, len(answer.errors)) == (2, "", 1)
