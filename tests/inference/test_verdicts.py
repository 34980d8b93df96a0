import csv
import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from retina.errors import AuditError
from retina.inference.audit_log import AuditLog
from retina.inference.verdicts import ClinicianVerdict, latest, read_log, verdicts_csv
from tests.inference.assessments import NAME, assessed, drawn, refused

MILD = assessed([0.2, 0.5, 0.1, 0.1, 0.1])


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl")


def test_what_was_written_is_read_again(log: AuditLog) -> None:
    log.assessed(MILD)
    log.judged(MILD, 3, "Beading.", reader="anna")
    log.judged(refused(1), None)
    first, second, third = read_log(log.file).entries
    assert (first.image_sha256, first.model_sha256) == ("0" * 64, "a" * 64)
    assert (first.grade, first.probabilities) == (1, MILD.probabilities)
    assert (first.verdict, first.reader, first.agreed) == (None, None, False)
    assert (second.verdict, second.reader) == (ClinicianVerdict(3, "Beading."), "anna")
    assert not second.agreed
    assert (third.grade, third.quality, third.verdict) == (None, "reject", ClinicianVerdict(None))
    assert third.agreed


def test_a_line_that_is_cut_off_is_told_and_no_other_is_lost(log: AuditLog) -> None:
    log.assessed(MILD)
    whole = log.file.read_bytes()
    log.file.write_bytes(whole + whole[:70])
    log.judged(MILD, 2)
    log.file.write_bytes(log.file.read_bytes() + b"\n" + whole[:9])
    found = read_log(log.file)
    assert [entry.verdict for entry in found.entries] == [None, ClinicianVerdict(2)]
    assert found.unreadable == (2, 5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"grade": 1', '"grade": 7'),
        ("0.5", "0.6"),
        ("0.5", "NaN"),
        ("[0.2,", "["),
        ('"model": "small"', '"model": null'),
        ('"verdict": {', '"judgement": {'),
        ('"result": {', '"result": [{}], "x": {'),
        ("{", "[" * 100_000),
    ],
)
def test_a_line_that_no_page_writes_is_passed_over(log: AuditLog, old: str, new: str) -> None:
    log.judged(MILD, 1)
    line = log.file.read_text(encoding="utf-8")
    assert old in line
    log.file.write_text(line + line.replace(old, new, 1), encoding="utf-8")
    found = read_log(log.file)
    assert len(found.entries) == 1
    assert found.unreadable == (2,)


@pytest.mark.parametrize(
    "content", [b"\xff\xd8\xff\xe0\0\0", b"image_id,grade\na,1\n", b'{"n": 5}\n', b"{}", b"a\rb\0"]
)
def test_another_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(content)
    with pytest.raises(AuditError, match="is no audit log"):
        read_log(file)
    with pytest.raises(AuditError, match="cannot be read"):
        read_log(tmp_path / "missing")


def test_the_last_verdict_counts_and_no_assessment_takes_its_place(log: AuditLog) -> None:
    log.judged(MILD, 1)
    log.judged(assessed([1.0, 0, 0, 0, 0], 1), 0)
    log.judged(MILD, 3)
    log.judged(replace(MILD, model_sha256="b" * 64), 4)
    log.assessed(MILD)
    log.assessed(refused(2))
    log.assessed(assessed([1.0, 0, 0, 0, 0], 2))
    counted = latest(read_log(log.file).entries)
    assert [(int(entry.image_sha256), entry.verdict, entry.grade) for entry in counted] == [
        *(
            (0, ClinicianVerdict(3), 1),
            (1, ClinicianVerdict(0), 0),
            (0, ClinicianVerdict(4), 1),
            (2, None, 0),
        )
    ]


def test_the_csv_holds_all_that_counts(log: AuditLog, tmp_path: Path) -> None:
    for assessment in drawn(20):
        log.judged(assessment, 2, "=1+1")
    log.judged(MILD, None)
    log.judged(refused(1), 3, 'a, "b"', reader="anna")
    log.assessed(assessed([0.2, 0.5, 0.1, 0.1, 0.1], 30))
    entries = read_log(log.file).entries
    file = tmp_path / "audit.csv"
    file.write_text(verdicts_csv(entries), encoding="utf-8-sig")
    found = read_log(file)
    assert found.unreadable == ()
    noted = [
        replace(entry, verdict=replace(entry.verdict, note=f"'{entry.verdict.note}"))
        if entry.verdict and entry.verdict.note.startswith("=")
        else entry
        for entry in latest(entries)
    ]
    assert list(found.entries) == noted


def test_a_spreadsheet_may_save_the_csv_and_loses_nothing(log: AuditLog, tmp_path: Path) -> None:
    log.judged(MILD, 2)
    log.judged(refused(1), None)
    log.assessed(assessed([0.2, 0.5, 0.1, 0.1, 0.1], 2))
    entries = read_log(log.file).entries
    file = tmp_path / "audit.csv"
    # pandas makes 2.0 of a grade in a column with gaps.
    pd.read_csv(io.StringIO(verdicts_csv(entries)), dtype={"image_id": str}).to_csv(
        file, index=False
    )
    assert "2.0" in file.read_text(encoding="utf-8")
    assert read_log(file).entries == entries


def test_the_csv_says_what_was_said(log: AuditLog) -> None:
    log.judged(MILD, 1)
    log.judged(assessed([1.0, 0, 0, 0, 0], 1), 4)
    log.judged(assessed([1.0, 0, 0, 0, 0], 2), None)
    log.assessed(assessed([1.0, 0, 0, 0, 0], 3))
    text = verdicts_csv(read_log(log.file).entries)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["image_id"], row["grade"], row["predicted"], row["verdict"]) for row in rows] == [
        (f"{0:064x}", "1", "1", "agreed"),
        (f"{1:064x}", "4", "0", "corrected"),
        (f"{2:064x}", "", "0", "ungradable"),
        (f"{3:064x}", "", "0", ""),
    ]
    assert text.startswith("image_id,grade,predicted,p0,p1,p2,p3,p4,")
    assert NAME not in text


def test_no_cell_of_the_csv_can_run_as_a_formula(log: AuditLog) -> None:
    for image, note in enumerate(("=1+1", "+1", "-1", "@SUM(1)")):
        log.judged(replace(assessed([1.0, 0, 0, 0, 0], image), model="=a"), 0, note, reader="@b")
    for row in csv.DictReader(io.StringIO(verdicts_csv(read_log(log.file).entries))):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())


def test_a_row_that_is_spoilt_is_told(log: AuditLog, tmp_path: Path) -> None:
    log.judged(MILD, 1)
    log.judged(assessed([1.0, 0, 0, 0, 0], 1), 4)
    file = tmp_path / "audit.csv"
    text = verdicts_csv(read_log(log.file).entries)
    for old, new in ((",4,0,", ",mild,0,"), (",4,0,", ",4.5,0,"), (f"{1:064x},", "")):
        file.write_text(text.replace(old, new), encoding="utf-8")
        found = read_log(file)
        assert (len(found.entries), found.unreadable) == (1, (3,))
