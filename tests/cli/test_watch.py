"""``retina watch`` as its own process, which is stopped and killed."""

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from retina.datasets.synthetic import draw_fundus
from tests.cli.shell import retina


def start(camera: Path, checkpoints: Path, worklist: Path, errors: Path) -> subprocess.Popen[str]:
    command = ["-m", "retina", "watch", str(camera), "--output", str(worklist), "--every", "0.1"]
    model = ["--model", "small", "--checkpoints", str(checkpoints)]
    with errors.open("a") as file:
        return subprocess.Popen(
            [sys.executable, *command, *model], stdout=subprocess.PIPE, stderr=file, text=True
        )


def read(worklist: Path) -> list[dict[str, str]]:
    if not worklist.exists():
        return []
    with worklist.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def until(condition: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert running.poll() is None, "it has ended"
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_it_grades_each_once_through_a_kill_and_an_interrupt(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera, worklist, errors = (tmp_path / name for name in ("camera", "w.csv", "errors"))
    camera.mkdir()
    for number in range(20):
        draw_fundus(number % 5, seed=number, size=64).save(camera / f"{number}_left.png")
    running = start(camera, checkpoints, worklist, errors)
    until(lambda: len(read(worklist)) >= 8, running)
    running.kill()
    running.communicate()
    before = {row["image"]: row for row in read(worklist)}
    (camera / "broken_left.png").write_text("no picture")
    running = start(camera, checkpoints, worklist, errors)
    try:
        until(lambda: len(read(worklist)) == 21, running)
        flags = ["--output", str(worklist), "--model", "small", "--checkpoints", str(checkpoints)]
        second = retina(capsys, "watch", str(camera), *flags)
        assert second.status == 2
        assert "another triage or watch is writing" in second.errors[-1]
    finally:
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate()
    assert (running.returncode, out) == (130, "")
    after = {row["image"]: row for row in read(worklist)}
    assert len(after) == 21
    assert {name: after[name] for name in before} == before, "graded twice: other seconds"
    assert [name for name, row in after.items() if row["error"]] == ["broken_left.png"]
    told = errors.read_text()
    assert "Traceback" not in told
    assert told.rstrip().endswith("stopped")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--every", "0"], "--every is"),
        (["--every", "nan"], "--every is"),
        (["--every", "soon"], "--every"),
        (["--model", "none"], "none"),
    ],
)
def test_flags_that_do_not_work_are_one_line(
    flags: list[str],
    words: str,
    checkpoints: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = ["--model", "small", "--output", str(tmp_path / "worklist.csv")]
    place = ["--checkpoints", str(checkpoints), str(tmp_path)]
    answer = retina(capsys, "watch", *usual, *place, *flags)
    assert (answer.status, answer.out, len(answer.errors)) == (2, "", 1)
    assert words in answer.errors[0]


def test_a_folder_that_is_none_is_one_line(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", "small", "--checkpoints", str(checkpoints), "--output", "worklist.csv"]
    answer = retina(capsys, "watch", str(tmp_path / "nowhere"), *flags)
    assert answer.status == 2
    assert "is not a folder" in answer.errors[0]
