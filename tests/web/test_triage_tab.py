import base64
import csv
import io
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from retina.errors import AuditError, ImageError
from retina.inference.grader import Grader
from retina.inference.sources import uploaded
from retina.inference.worklist import WORKLIST_COLUMNS
from retina.web.gradio_internals import Upload
from retina.web.handlers import Handlers
from retina.web.model_pool import ModelPool
from retina.web.text import triage as triage_text
from retina.web.triage_tab import TriageSession, offered, photograph_of, run_triage, stop, worklist
from tests.web.conftest import PHOTOGRAPH

HOSTILE = '<img src=x onerror="alert(1)">.png'


@pytest.fixture
def photographs(tmp_path: Path) -> list[Upload]:
    names = ("7_left.png", "7_right.png", HOSTILE)
    for name in names:
        (tmp_path / name).write_bytes(PHOTOGRAPH.read_bytes())
    (tmp_path / "broken.png").write_text("no photograph")
    return [(name, tmp_path / name) for name in (*names, "broken.png")]


@pytest.fixture(scope="session")
def graders(checkpoints: Path) -> ModelPool:
    return ModelPool(checkpoints)


def steps(graders: ModelPool, images: list[Upload] | None) -> Iterator[list[Any]]:
    return run_triage(Handlers(graders), graders, images, "resnet18-scratch", gr.Request())


def test_it_ends_with_a_worklist_of_all(graders: ModelPool, photographs: list[Upload]) -> None:
    first, *_, last = steps(graders, photographs)
    assert "0 of 4" in first[1]["value"]
    assert first[4]["visible"], "it can be stopped"
    assert not last[4]["visible"]
    html = last[2]["value"]
    assert html.count("<tr data-urgency") == 4
    assert html.count('src="data:image/jpeg;base64,') == 3
    assert html.count("data-open=") == 3, "what could not be read cannot be opened"
    assert HOSTILE not in html
    assert escape(HOSTILE) in html.replace("&#34;", "&quot;")


def test_the_csv_is_the_worklist(graders: ModelPool, photographs: list[Upload]) -> None:
    *_, last = steps(graders, photographs)
    [encoded] = re.findall(r'href="data:text/csv;base64,([^"]+)"', last[2]["value"])
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(encoded).decode())))
    assert tuple(rows[0]) == WORKLIST_COLUMNS
    shown = re.findall(r'data-urgency="([^"]+)"', last[2]["value"])
    assert [row["urgency"] for row in rows] == shown


def test_eyes_of_one_patient_stand_together(graders: ModelPool, photographs: list[Upload]) -> None:
    *_, last = steps(graders, photographs)
    lines = re.findall(
        r'<tr [^>]*data-name="([^"]+)"[^>]*?(class="same-patient")?>', last[2]["value"]
    )
    names = [name for name, _ in lines]
    assert abs(names.index("7_left.png") - names.index("7_right.png")) == 1
    assert sum(bool(same) for _, same in lines) == 1


def test_photographs_that_are_chosen_meanwhile_begin_no_second_run(
    graders: ModelPool, photographs: list[Upload]
) -> None:
    assert offered(photographs, None)["interactive"]
    going = steps(graders, photographs)
    day: TriageSession = next(going)[0]
    assert not offered(photographs, day)["interactive"]
    list(going)
    assert offered(photographs, day)["interactive"]
    assert not offered(None, day)["interactive"]


def test_who_comes_second_is_told_and_starts_after_the_first(
    graders: ModelPool, photographs: list[Upload]
) -> None:
    handlers = Handlers(graders)

    def visitor() -> Iterator[list[Any]]:
        return run_triage(handlers, graders, photographs, "resnet18-scratch", gr.Request())

    first, second, third = visitor(), visitor(), visitor()
    next(first), next(second), next(third)
    assert triage_text.waiting(1) in next(second)[1]["value"]
    assert triage_text.waiting(2) in next(third)[1]["value"]
    first.close()  # type: ignore[attr-defined]
    *_, last = second
    assert "4 photographs graded" in last[2]["value"]


def test_who_waits_can_be_stopped(graders: ModelPool, photographs: list[Upload]) -> None:
    handlers = Handlers(graders)
    first = run_triage(handlers, graders, photographs, "resnet18-scratch", gr.Request())
    second = run_triage(handlers, graders, photographs, "resnet18-scratch", gr.Request())
    next(first)
    day: TriageSession = next(second)[0]
    stop(day)
    *_, last = second
    assert "Stopped: 0 of 4" in last[2]["value"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what is open")
def test_the_archive_is_let_go_when_the_run_has_ended(graders: ModelPool, tmp_path: Path) -> None:
    archive = tmp_path / "eyes.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(PHOTOGRAPH, "7_left.png")
        packed.write(PHOTOGRAPH, "7_right.png")

    def held() -> bool:
        return any(
            os.path.realpath(each) == str(archive) for each in Path("/proc/self/fd").iterdir()
        )

    going = steps(graders, [("eyes.zip", archive)])
    day: TriageSession = next(going)[0]
    list(going)
    assert not held()
    assert photograph_of(day, 1, tmp_path / "cache").read_bytes() == PHOTOGRAPH.read_bytes()
    assert not held()


def test_it_says_what_was_left_out_and_what_it_could_not_know(
    graders: ModelPool, photographs: list[Upload], tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_text("image,level")
    chosen = [*photographs, ("table.csv", tmp_path / "table.csv")]
    *_, last = steps(graders, chosen)
    assert "Left out as no photographs: table.csv." in last[2]["value"]
    assert triage_text.LOOSE in last[2]["value"]
    *_, last = steps(graders, [(f"day/{name}", path) for name, path in chosen])
    assert "Left out as no photographs: table.csv." in last[2]["value"]
    assert triage_text.LOOSE not in last[2]["value"]


def test_what_was_done_before_a_stop_is_kept(
    graders: ModelPool, photographs: list[Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = Handlers(graders)
    going = run_triage(handlers, graders, photographs, "resnet18-scratch", gr.Request())
    day: TriageSession = next(going)[0]
    monkeypatch.setattr(handlers, "listed", lambda row, request: stop(day))
    [*_, last] = going
    html = last[2]["value"]
    assert "Stopped: 1 of 4" in html
    assert html.count("<tr data-urgency") == 1
    assert offered(photographs, day)["interactive"], "it can be begun again"


def test_what_was_done_is_kept_when_the_log_cannot_be_written(
    graders: ModelPool, photographs: list[Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = Handlers(graders)
    listed: list[object] = []

    def full(row: object, request: object) -> None:
        if listed:
            raise AuditError("the audit log cannot be written")
        listed.append(row)

    monkeypatch.setattr(handlers, "listed", full)
    going = run_triage(handlers, graders, photographs, "resnet18-scratch", gr.Request())
    answers: list[list[Any]] = []
    with pytest.raises(gr.Error, match="cannot be written"):
        answers.extend(going)
    assert "Stopped: 1 of 4" in answers[-1][2]["value"]


def test_there_may_be_nothing_to_stop() -> None:
    assert not stop(None)["interactive"]


@pytest.mark.parametrize("images", [None, []])
def test_without_photographs(graders: ModelPool, images: list[Upload] | None) -> None:
    with pytest.raises(gr.Error, match="no photographs yet"):
        next(steps(graders, images))


def test_an_archive_without_photographs(graders: ModelPool, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "eyes.zip", "w") as archive:
        archive.writestr("notes.txt", "none")
    with pytest.raises(gr.Error, match=r"no photograph among them: nothing ends in \.jpg"):
        next(steps(graders, [("eyes.zip", tmp_path / "eyes.zip")]))


def test_a_photograph_of_an_archive_is_opened_inside_the_cache(
    checkpoints: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "eyes.zip", "w") as archive:
        archive.write(PHOTOGRAPH, "../../etc/eye.png")
    grader = Grader.load("resnet18-scratch", checkpoints=checkpoints)
    day = TriageSession(grader, uploaded([("eyes.zip", tmp_path / "eyes.zip")]))
    path = photograph_of(day, 0, tmp_path / "cache")
    assert path.read_bytes() == PHOTOGRAPH.read_bytes()
    assert path.resolve().is_relative_to(tmp_path / "cache")
    assert path.name == "eye.png"


def test_a_name_that_no_file_may_have_is_opened_under_another(
    checkpoints: Path, tmp_path: Path
) -> None:
    grader = Grader.load("resnet18-scratch", checkpoints=checkpoints)
    day = TriageSession(grader, uploaded([("day/eye\0of:somebody.png", PHOTOGRAPH)]))
    assert photograph_of(day, 0, tmp_path / "cache").name == "eye_of_somebody.png"


def test_a_photograph_that_was_deleted_meanwhile(checkpoints: Path, tmp_path: Path) -> None:
    photograph = tmp_path / "eye.png"
    photograph.write_bytes(PHOTOGRAPH.read_bytes())
    grader = Grader.load("resnet18-scratch", checkpoints=checkpoints)
    day = TriageSession(grader, uploaded([("eye.png", photograph)]))
    photograph.unlink()
    for held, number in ((day, 0), (day, 1), (None, 0)):
        with pytest.raises(ImageError, match=re.escape(triage_text.GONE)):
            photograph_of(held, number, tmp_path / "cache")


def test_a_worklist_of_nothing_but_failures(checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no photograph")
    *_, last = steps(ModelPool(checkpoints), [("broken.png", tmp_path / "broken.png")])
    assert "1 ungradable" in last[2]["value"]
    assert "holds text" in worklist(last[0])
