import base64
import csv
import io
import re
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from retina.images.decode import ImageError
from retina.inference.audit import AuditError
from retina.inference.grader import Grader
from retina.inference.triage import uploaded
from retina.inference.worklist import COLUMNS
from retina.web import triage_text
from retina.web.graders import Graders
from retina.web.handlers import Handlers
from retina.web.triage_tab import Day, photograph_of, run, stop, worklist
from tests.web.conftest import PHOTOGRAPH

HOSTILE = '<img src=x onerror="alert(1)">.png'


@pytest.fixture
def photographs(tmp_path: Path) -> list[str]:
    names = ("7_left.png", "7_right.png", HOSTILE)
    for name in names:
        (tmp_path / name).write_bytes(PHOTOGRAPH.read_bytes())
    (tmp_path / "broken.png").write_text("no photograph")
    return [str(tmp_path / name) for name in (*names, "broken.png")]


@pytest.fixture(scope="session")
def graders(checkpoints: Path) -> Graders:
    return Graders(checkpoints)


def steps(graders: Graders, images: list[str] | None) -> Iterator[list[Any]]:
    return run(Handlers(graders), graders, images, "resnet18-scratch", gr.Request())


def test_it_ends_with_a_worklist_of_all(graders: Graders, photographs: list[str]) -> None:
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


def test_the_csv_is_the_worklist(graders: Graders, photographs: list[str]) -> None:
    *_, last = steps(graders, photographs)
    [encoded] = re.findall(r'href="data:text/csv;base64,([^"]+)"', last[2]["value"])
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(encoded).decode())))
    assert tuple(rows[0]) == COLUMNS
    shown = re.findall(r'data-urgency="([^"]+)"', last[2]["value"])
    assert [row["urgency"] for row in rows] == shown


def test_eyes_of_one_patient_stand_together(graders: Graders, photographs: list[str]) -> None:
    *_, last = steps(graders, photographs)
    lines = re.findall(
        r'<tr [^>]*data-name="([^"]+)"[^>]*?(class="same-patient")?>', last[2]["value"]
    )
    names = [name for name, _ in lines]
    assert abs(names.index("7_left.png") - names.index("7_right.png")) == 1
    assert sum(bool(same) for _, same in lines) == 1


def test_what_was_done_before_a_stop_is_kept(graders: Graders, photographs: list[str]) -> None:
    going = steps(graders, photographs)
    day: Day = next(going)[0]
    stop(day)
    [*_, last] = going
    html = last[2]["value"]
    assert "Stopped: 1 of 4" in html
    assert html.count("<tr data-urgency") == 1
    assert last[3]["interactive"], "it can be begun again"


def test_what_was_done_is_kept_when_the_log_cannot_be_written(
    graders: Graders, photographs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = Handlers(graders)
    listed: list[object] = []

    def full(row: object, request: object) -> None:
        if listed:
            raise AuditError("the audit log cannot be written")
        listed.append(row)

    monkeypatch.setattr(handlers, "listed", full)
    going = run(handlers, graders, photographs, "resnet18-scratch", gr.Request())
    answers: list[list[Any]] = []
    with pytest.raises(gr.Error, match="cannot be written"):
        answers.extend(going)
    assert "Stopped: 1 of 4" in answers[-1][2]["value"]


def test_there_may_be_nothing_to_stop() -> None:
    assert not stop(None)["interactive"]


@pytest.mark.parametrize("images", [None, []])
def test_without_photographs(graders: Graders, images: list[str] | None) -> None:
    with pytest.raises(gr.Error, match="no photographs yet"):
        next(steps(graders, images))


def test_an_archive_without_photographs(graders: Graders, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "eyes.zip", "w") as archive:
        archive.writestr("notes.txt", "none")
    with pytest.raises(gr.Error, match=r"no photograph: nothing in it ends in \.jpg"):
        next(steps(graders, [str(tmp_path / "eyes.zip")]))


def test_a_photograph_of_an_archive_is_opened_inside_the_cache(
    checkpoints: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "eyes.zip", "w") as archive:
        archive.write(PHOTOGRAPH, "../../etc/eye.png")
    grader = Grader.load("resnet18-scratch", checkpoints=checkpoints)
    day = Day(grader, uploaded([tmp_path / "eyes.zip"]))
    path = photograph_of(day, 0, tmp_path / "cache")
    assert path.read_bytes() == PHOTOGRAPH.read_bytes()
    assert path.resolve().is_relative_to(tmp_path / "cache")
    assert path.name == "eye.png"


def test_a_photograph_that_was_deleted_meanwhile(checkpoints: Path, tmp_path: Path) -> None:
    photograph = tmp_path / "eye.png"
    photograph.write_bytes(PHOTOGRAPH.read_bytes())
    grader = Grader.load("resnet18-scratch", checkpoints=checkpoints)
    day = Day(grader, uploaded([photograph]))
    photograph.unlink()
    for held, number in ((day, 0), (day, 1), (None, 0)):
        with pytest.raises(ImageError, match=re.escape(triage_text.GONE)):
            photograph_of(held, number, tmp_path / "cache")


def test_a_worklist_of_nothing_but_failures(checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no photograph")
    *_, last = steps(Graders(checkpoints), [str(tmp_path / "broken.png")])
    assert "1 ungradable" in last[2]["value"]
    assert "holds text" in worklist(last[0])
