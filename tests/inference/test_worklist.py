import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from retina.assessment import Assessment
from retina.errors import SettingsError
from retina.inference.sources import Source
from retina.inference.worklist import (
    URGENCIES,
    WORKLIST_COLUMNS,
    Row,
    failed_row,
    graded_row,
    in_order,
    journal_of,
    read_journal,
    urgency,
    worklist_csv,
    writing_journal,
)
from tests.inference import assessments

THRESHOLD = 0.4


def assessed(*probabilities: float) -> Assessment:
    referable = sum(probabilities[2:]) >= THRESHOLD
    return replace(assessments.assessed(probabilities), referable=referable)


REFUSED = assessments.refused()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (assessed(0.1, 0.1, 0.2, 0.5, 0.1), "sight-threatening"),
        (assessed(0.0, 0.0, 0.4, 0.3, 0.3), "sight-threatening"),  # Moderate, but 0.6 for worse
        (assessed(0.2, 0.1, 0.6, 0.1, 0.0), "referable"),
        (assessed(0.5, 0.1, 0.4, 0.0, 0.0), "referable"),  # No DR, but at the operating point
        (assessed(0.6, 0.05, 0.35, 0.0, 0.0), "unsure"),  # 0.05 below it
        (assessed(0.5, 0.45, 0.05, 0.0, 0.0), "unsure"),  # No DR or Mild
        (assessed(0.9, 0.05, 0.05, 0.0, 0.0), "rest"),
        (REFUSED, "ungradable"),
    ],
)
def test_urgency(answer: Assessment, expected: str) -> None:
    assert urgency(answer, THRESHOLD) == expected


def test_the_most_urgent_comes_first_and_a_patients_eyes_stay_together() -> None:
    healthy, threatened = assessed(0.9, 0.05, 0.05, 0, 0), assessed(0, 0, 0.1, 0.2, 0.7)
    moderate, worse = assessed(0.2, 0.1, 0.6, 0.1, 0), assessed(0.1, 0.1, 0.6, 0.2, 0)
    rows = [
        graded_row("day/7_left.jpg", healthy, THRESHOLD),
        graded_row("a.jpg", moderate, THRESHOLD),
        failed_row("broken.jpg", "It is cut off.", "small", "a" * 64),
        graded_row("b.jpg", worse, THRESHOLD),
        graded_row("day/7_right.jpg", threatened, THRESHOLD),
        graded_row("other/7_left.jpg", healthy, THRESHOLD),  # another folder's patient 7
    ]
    assert [row["image"] for row in in_order(rows)] == [
        "day/7_right.jpg",
        "day/7_left.jpg",
        "b.jpg",
        "a.jpg",
        "broken.jpg",
        "other/7_left.jpg",
    ]
    assert URGENCIES.index("ungradable") < URGENCIES.index("rest")


@pytest.mark.parametrize(
    "names",
    [
        ["1.2.276.0.7230010.3.1.4.1", "1.2.276.0.7230010.3.1.4.2"],  # DICOM without an ending
        ["2024.01.05/IM0001", "2024.01.05/IM0002"],
        ["a.1.jpg", "a.2.jpg"],
    ],
)
def test_a_dot_that_begins_no_ending_parts_no_name(names: list[str]) -> None:
    rows = [graded_row(name, assessed(0.9, 0.05, 0.05, 0, 0), THRESHOLD) for name in names]
    assert len({row["patient"] for row in rows}) == len(names)


def test_a_file_that_says_whose_eye_it_shows_is_believed_before_its_name() -> None:
    mild = assessed(0.3, 0.6, 0.1, 0, 0)

    def row(name: str, patient: str, eye: str) -> Row:
        told = replace(mild, image=replace(mild.image, patient=patient, eye=eye))
        return graded_row(name, told, THRESHOLD)

    told = row("day/7_left.dcm", "0123abcd", "right")
    assert (told["patient"], told["eye"]) == ("0123abcd", "right")
    named = row("day/7_left.dcm", "", "")
    assert (named["patient"], named["eye"]) == ("day/7", "left")
    one, other = row("IM1", "0123abcd", "right"), row("IM9", "0123abcd", "left")
    between = row("IM2", "ffff", "left")
    ordered = in_order([one, between, other])
    assert [row["patient"] for row in ordered] == ["0123abcd", "0123abcd", "ffff"]


def test_a_row_is_json_with_every_column() -> None:
    for row in (
        graded_row("a.jpg", assessed(0.9, 0.05, 0.05, 0, 0), THRESHOLD),
        graded_row("a.jpg", REFUSED, THRESHOLD),
        failed_row("a.jpg", "No.", "small", "a" * 64),
    ):
        assert tuple(row) == WORKLIST_COLUMNS
        assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_no_cell_of_the_csv_can_run_as_a_formula() -> None:
    names = ["=cmd|' /C calc'!A0.jpg", "+1.jpg", "-1.jpg", "@SUM(1).jpg", "\t=1.jpg", 'a,"b".jpg']
    rows = [failed_row(name, f"{name} is cut off.", "small", "a" * 64) for name in names]
    read = list(csv.DictReader(io.StringIO(worklist_csv(rows))))
    assert [row["image"].replace("'", "") for row in read] == [n.replace("'", "") for n in names]
    for row in read:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())
    numbers = graded_row("a.jpg", assessed(0.9, 0.05, 0.05, 0, 0), THRESHOLD)
    (row,) = csv.DictReader(io.StringIO(worklist_csv([numbers])))
    assert float(row["p0"]) == 0.9


def source(name: str, stamp: str = "1-1") -> Source:
    return Source(name, stamp, Path(name).open)  # type: ignore[arg-type]


def row(name: str) -> Row:
    return failed_row(name, "It is cut off.", "small", "a" * 64)


def write(journal: Path, *names: str) -> None:
    with writing_journal(journal) as add:
        for name in names:
            add(source(name), row(name))


def images(journal: Path) -> list[str]:
    return [row["image"] for _, row in read_journal(journal)]


def test_it_gives_back_what_was_added_in_that_order(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "new" / "worklist.csv")
    assert read_journal(journal) == []
    write(journal, "b.png", "ä.png")
    write(journal, "a.png", "b.png")
    assert images(journal) == ["b.png", "ä.png", "a.png", "b.png"]
    assert read_journal(journal)[0] == ("1-1", row("b.png"))
    assert journal.name == ".worklist.csv.unfinished"


def test_a_line_that_a_kill_cut_off_spoils_no_other(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write(journal, "a.png", "b.png")
    journal.write_bytes(journal.read_bytes()[:-20])
    assert images(journal) == ["a.png"]
    write(journal, "c.png")
    assert images(journal) == ["a.png", "c.png"]


def test_two_cannot_write_one_journal(tmp_path: Path) -> None:
    journal = tmp_path / ".worklist.csv.unfinished"
    with writing_journal(journal) as add:
        add(source("a.png"), row("a.png"))
        with pytest.raises(SettingsError, match="another triage or watch"):
            write(journal, "b.png")
        assert images(journal) == ["a.png"], "it can be read meanwhile"
    write(journal, "c.png")
    assert images(journal) == ["a.png", "c.png"]


def test_what_is_no_record_of_today_is_passed_over(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write(journal, "a.png")
    with journal.open("ab") as file:
        file.write(b'[]\n7\n{"row": {"image": "old.png"}, "stamp": "1-1"}\n{"stamp": "1-1"}\n')
        file.write(b"\xff\n")
    assert images(journal) == ["a.png"]
