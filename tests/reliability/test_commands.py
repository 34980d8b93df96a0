"""The commands, given spoilt files: an answer or a sentence each, exit status 0 or 2."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.shell import retina
from tests.reliability.bombs import large_bombs, small_bombs
from tests.reliability.measured import LIMIT_MIB, measured, needs_proc
from tests.reliability.pictures import Case, corpus, whole_files

SEVERAL_AT_ONCE = 1.5  # triage decodes on every core, and the limit is that of one picture

Record = Callable[[str, str], None]
Shell = pytest.CaptureFixture[str]

pytestmark = pytest.mark.filterwarnings("ignore")

SECONDS = 10
"""That one picture may take, beside the start of the program."""


def written(folder: Path, cases: list[Case]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = [folder / case.name for case in cases]
    for file, case in zip(files, cases, strict=True):
        file.write_bytes(case.data)
    return files


def odd_names() -> list[Case]:
    whole = whole_files()["png"]
    return [case for case in corpus() if case.data == whole and "whole" not in case.name]


@pytest.fixture
def model(checkpoints: Path) -> list[str]:
    return ["--model", "small", "--checkpoints", str(checkpoints)]


@pytest.fixture
def cases() -> list[Case]:
    return [*corpus(), *small_bombs()]


@pytest.fixture
def files(tmp_path: Path, cases: list[Case]) -> list[Path]:
    return written(tmp_path / "day", cases)


def test_names_of_any_kind_are_graded_and_filed(
    capsys: Shell, model: list[str], tmp_path: Path
) -> None:
    files = written(tmp_path / "day", odd_names())
    heat, reports = str(tmp_path / "heat"), str(tmp_path / "reports")
    filed = ["--anyway", "--heatmaps", heat, "--report", reports]
    answer = retina(capsys, "grade", *files, *model, *filed)
    assert (answer.status, answer.errors) == (0, [])
    assert len(list((tmp_path / "heat").iterdir())) == len(files) > 9
    answer = retina(capsys, "triage", tmp_path / "day", *model, "--output", tmp_path / "list.csv")
    assert answer.status == 0
    table = (tmp_path / "list.csv").read_text(encoding="utf-8")
    assert all(word in table for word in ("眼底", "\\udce9", "'=1+1", "line\nbreak"))


@needs_proc
@pytest.mark.long
def test_the_shell_grades_or_refuses_each(
    model: list[str],
    cases: list[Case],
    files: list[Path],
    tmp_path: Path,
    record_property: Record,
) -> None:
    run = measured(tmp_path, "grade", *files, *model, "--json")
    answers = json.loads(run.out)
    assert len(answers) == len(cases)
    assert run.status == 2
    assert "Traceback" not in run.err
    refused = 0
    for case, answer in zip(cases, answers, strict=True):
        refused += "error" in answer
        assert ("error" in answer) != (case.shows is not None) or case.spoilt, case.name
    assert run.peak < LIMIT_MIB
    record_property(
        "figures",
        f"{len(cases)} files, {refused} refused, {run.seconds:.0f} s and {run.peak:.0f} MiB at "
        "most for all together",
    )


@needs_proc
@pytest.mark.long
@pytest.mark.usefixtures("files")
def test_triage_grades_or_refuses_each(
    model: list[str], tmp_path: Path, record_property: Record
) -> None:
    with zipfile.ZipFile(tmp_path / "day" / "outside.zip", "w") as packed:
        packed.writestr("../../outside.png", whole_files()["png"])
        packed.writestr("/outside.png", whole_files()["png"])
        packed.writestr("bomb.png", bytes(2**30), zipfile.ZIP_DEFLATED)
    for number, place in enumerate((tmp_path / "day", tmp_path / "day" / "outside.zip")):
        output = tmp_path / f"worklist-{number}.csv"
        run = measured(tmp_path, "triage", place, *model, "--output", output)
        assert run.status == 0, run.err[-2000:]
        assert "Traceback" not in run.err
        assert run.peak < SEVERAL_AT_ONCE * LIMIT_MIB
        record_property("figures", f"{place.name}: {run.seconds:.0f} s, {run.peak:.0f} MiB")
    assert not (tmp_path.parent / "outside.png").exists()


@needs_proc
@pytest.mark.long
def test_large_bombs_stay_within_bounds(
    model: list[str], tmp_path: Path, record_property: Record
) -> None:
    idle = measured(tmp_path, "grade", *written(tmp_path, [*corpus()][:1]), *model)
    worst: list[tuple[float, float, str]] = []
    for case in large_bombs():
        (file,) = written(tmp_path, [case])
        run = measured(tmp_path, "grade", file, *model)
        assert run.status == (2 if case.shows is None else 0), (case.name, run.err)
        assert "Traceback" not in run.err
        assert run.peak < LIMIT_MIB, case.name
        worst.append((run.seconds - idle.seconds, run.peak, case.name))
        file.unlink()
    seconds, _, slowest = max(worst)
    assert seconds < SECONDS, slowest
    peak, largest = max((peak, name) for _, peak, name in worst)
    record_property(
        "figures",
        f"{len(worst)} files; slowest {slowest}, {seconds:.1f} s; most memory {largest}, "
        f"{peak:.0f} MiB, of which {idle.peak:.0f} MiB a small photograph takes as well",
    )


@needs_proc
@pytest.mark.long
def test_the_api_grades_or_refuses_each(
    checkpoints: Path, cases: list[Case], tmp_path: Path, record_property: Record
) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    from tests.web.conftest import served

    # The client cannot send a name that is no UTF-8.
    cases = [each for each in cases if "\udce9" not in each.name]
    files = written(tmp_path / "day", cases)
    refused = 0
    with served("--checkpoints", os.fspath(checkpoints)) as address:
        client = Client(address, verbose=False, download_files=tmp_path / "downloads")
        for case, file in zip(cases, files, strict=True):
            refusal = ""
            try:
                answer, *_ = client.predict(
                    image=handle_file(file), model="small", api_name="/grade"
                )
            except AppError as error:
                refusal = str(error)
            if refusal:
                assert case.shows is None, (case.name, refusal)
                assert "Traceback" not in refusal
                refused += 1
            else:
                assert answer["quality"]["verdict"] in ("good", "usable", "reject")
                assert case.shows is not None or case.spoilt, case.name
        rows = client.predict(
            images=[handle_file(file) for file in files], model="small", api_name="/triage"
        )
        assert len(rows) == len(files)
        assert sum(row["error"] is not None for row in rows) == refused
    record_property("figures", f"{len(cases)} files by /grade and by /triage, {refused} refused")
