import json
import os
import resource
import signal
import stat
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retina.errors import AuditError, SettingsError
from retina.inference.audit_log import NOTE_LENGTH, AuditLog
from retina.inference.worklist import failed_row, graded_row
from tests.inference.assessments import NAME, THRESHOLD, assessed, refused

MILD = assessed([0.2, 0.5, 0.1, 0.1, 0.1])

WRITE = """
import sys
from pathlib import Path
from retina.inference.audit_log import AuditLog
from tests.inference.assessments import assessed
log = AuditLog(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    log.judged(assessed([0.2, 0.5, 0.1, 0.1, 0.1], number), 1, sys.argv[2] * 400)
"""


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl")


def test_a_verdicts_line_says_who_answered_what_and_what_was_said(log: AuditLog) -> None:
    log.judged(MILD, 2, "  Drusen?\r\nSee\tmacula. ")
    [line] = lines(log.file)
    since = datetime.now(UTC) - datetime.fromisoformat(line.pop("time"))
    assert timedelta(0) <= since < timedelta(minutes=1)
    assert line == {
        "kind": "verdict",
        "image_sha256": "0" * 64,
        "model": "small",
        "model_sha256": "a" * 64,
        "result": {
            "grade": 1,
            "label": "Mild",
            "probabilities": [0.2, 0.5, 0.1, 0.1, 0.1],
            "confidence": 0.5,
            "referable": False,
            "referable_probability": MILD.referable_probability,
            "sight_threatening_probability": 0.2,
            "quality": "good",
        },
        "verdict": {"agreed": False, "grade": 2, "note": "Drusen? See macula."},
    }


def test_an_assessment_has_no_verdict_and_a_refused_one_no_result(log: AuditLog) -> None:
    log.assessed(refused(), reader="anna")
    [line] = lines(log.file)
    assert line["kind"] == "assessment"
    assert line["reader"] == "anna"
    assert "verdict" not in line
    quality = line["result"].pop("quality")
    assert quality == "reject"
    assert set(line["result"].values()) == {None}


def test_a_row_of_a_worklist_is_the_line_of_its_assessment(log: AuditLog) -> None:
    for assessment in (MILD, refused()):
        log.assessed(assessment)
        log.listed(graded_row(NAME, assessment, THRESHOLD))
    log.listed(failed_row(NAME, "It is cut off.", "small", "a" * 64))
    found = lines(log.file)
    for line in found:
        del line["time"]
    assert len(found) == 4
    assert found[0] == found[1]
    assert found[2] == found[3]


def test_to_agree_is_to_give_the_answer_given(log: AuditLog) -> None:
    for assessment, grade in ((MILD, 1), (refused(), None), (MILD, None), (refused(), 1)):
        log.judged(assessment, grade)
    assert [line["verdict"]["agreed"] for line in lines(log.file)] == [True, True, False, False]
    assert [line["verdict"]["grade"] for line in lines(log.file)] == [
        *(1, "ungradable", "ungradable", 1)
    ]


def test_no_line_holds_a_photographs_name(log: AuditLog) -> None:
    log.assessed(MILD)
    log.judged(MILD, 1)
    log.listed(graded_row(f"Muster/{NAME}", MILD, THRESHOLD))
    content = log.file.read_text(encoding="utf-8")
    assert "Muster" not in content
    assert content.count("\n") == 3


@pytest.mark.parametrize("grade", [-1, 5, 2.5])
def test_a_grade_that_is_none_is_refused(log: AuditLog, grade: int) -> None:
    with pytest.raises(AuditError, match="a grade from 0 to 4 or ungradable"):
        log.judged(MILD, grade)
    assert log.file.read_bytes() == b""


@pytest.mark.parametrize("note", ["x" * (NOTE_LENGTH + 1), "a\0b", "\x1b[31mred", "\udc80"])
def test_a_note_that_could_do_harm_is_refused(log: AuditLog, note: str) -> None:
    with pytest.raises(AuditError, match="the note h"):
        log.judged(MILD, 1, note)
    assert log.file.read_bytes() == b""


def test_a_note_stays_one_line_whatever_it_breaks_lines_with(log: AuditLog) -> None:
    log.judged(MILD, 1, 'Größe, "x"\u2028{"kind": 1}\x85\x0bپایان')
    text = log.file.read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1
    assert json.loads(text)["verdict"]["note"] == 'Größe, "x" {"kind": 1} پایان'


def test_processes_and_threads_lose_no_line(log: AuditLog) -> None:
    each, letters = 20, "abc"
    command = [sys.executable, "-c", WRITE, str(log.file)]
    writers = [subprocess.Popen([*command, letter, str(each)]) for letter in letters]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(each):
            pool.submit(log.judged, MILD, 1, "d" * 400)
    assert [writer.wait() for writer in writers] == [0] * len(letters)
    notes = Counter(line["verdict"]["note"] for line in lines(log.file))
    assert notes == {letter * 400: each for letter in f"{letters}d"}


def test_what_a_kill_cut_off_stays_a_line_of_its_own(log: AuditLog) -> None:
    log.assessed(MILD)
    whole = log.file.read_bytes()
    log.file.write_bytes(whole + whole[:50])
    AuditLog(log.file).judged(MILD, 1)
    first, second, third = log.file.read_bytes().splitlines()
    assert first + b"\n" == whole
    assert second == whole[:50]
    assert json.loads(third)["kind"] == "verdict"


def test_a_log_whose_first_line_was_cut_off_goes_on(log: AuditLog) -> None:
    log.file.write_bytes(b'{"ti')
    AuditLog(log.file).assessed(MILD)
    again = AuditLog(log.file)
    again.assessed(MILD)
    assert log.file.read_bytes().count(b"\n") == 3


def test_a_full_disk_is_one_sentence_and_spoils_nothing(log: AuditLog) -> None:
    log.assessed(MILD)
    whole = log.file.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, before[1]))
    try:
        with pytest.raises(AuditError, match="this was not recorded") as error:
            log.judged(MILD, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(log.file) not in str(error.value)  # Whoever reads it on the page need not know.
    log.judged(MILD, 2)
    first, second, third = log.file.read_bytes().splitlines()
    assert (first + b"\n", len(second)) == (whole, 100)
    assert json.loads(third)["verdict"]["grade"] == 2


def test_it_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log = AuditLog(tmp_path / "audit.jsonl")
    finally:
        os.umask(before)
    assert stat.S_IMODE(log.file.stat().st_mode) == 0o600


def test_a_log_that_was_moved_away_is_begun_anew(log: AuditLog, tmp_path: Path) -> None:
    log.assessed(MILD)
    log.file.rename(tmp_path / "old")
    log.assessed(MILD)
    assert len(lines(log.file)) == len(lines(tmp_path / "old")) == 1
    log.file.unlink()
    log.file.mkdir()
    with pytest.raises(AuditError, match="this was not recorded"):
        log.assessed(MILD)


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0", b"image,grade\n", b'{"n": 1}'])
def test_another_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="is not an audit log"):
        AuditLog(file)
    assert file.read_bytes() == content
