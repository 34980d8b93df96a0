import csv
import json
from pathlib import Path

import pytest

from retina.cli import main
from retina.datasets.synthetic import draw_fundus
from retina.inference import triage as module
from retina.inference.grader import Grader
from retina.inference.sources import Source
from retina.inference.worklist import URGENCIES, WORKLIST_COLUMNS


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    for number in range(20):
        draw_fundus(number % 5, seed=number, size=64).save(folder / f"{number}_left.png")
    (folder / "=1+1.jpg").write_text("no picture")
    return folder


def triage(day: Path, checkpoints: Path, output: Path) -> int:
    flags = ["--model", "small", "--checkpoints", str(checkpoints), "--output", str(output)]
    return main(["triage", str(day), *flags])


def read(output: Path) -> list[dict[str, str]]:
    with output.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_worklist_holds_each_photograph_by_urgency(
    day: Path, checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "worklist.csv"
    assert triage(day, checkpoints, output) == 0
    rows = read(output)
    assert tuple(rows[0]) == WORKLIST_COLUMNS
    assert len(rows) == 21
    places = [URGENCIES.index(row["urgency"]) for row in rows]
    assert places == sorted(places)
    (broken,) = [row for row in rows if row["error"]]
    assert broken["image"] == "'=1+1.jpg"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "21 photographs: " in captured.err
    assert [path.name for path in output.parent.iterdir()] == ["worklist.csv"]


def test_after_a_kill_it_goes_on_where_it_was(
    day: Path, checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, output = tmp_path / "whole.csv", tmp_path / "worklist.csv"
    assert triage(day, checkpoints, whole) == 0
    prepare = module._prepare
    prepared: list[str] = []
    patience = [18]

    def counted(grader: Grader, source: Source, seen: None) -> object:
        if len(prepared) == patience[0]:
            raise KeyboardInterrupt
        prepared.append(source.name)
        return prepare(grader, source, seen)

    monkeypatch.setattr(module, "_prepare", counted)
    assert triage(day, checkpoints, output) == 130
    assert not output.exists()
    kept = tmp_path / ".worklist.csv.unfinished"
    done = len(kept.read_text().splitlines())
    assert 0 < done < 21
    lines = kept.read_text().splitlines(keepends=True)
    failed = json.loads(lines[-1])
    failed["row"]["error"] = "It could not be read then."
    kept.write_text("".join(lines[:-1]) + json.dumps(failed) + '\n{"key": "half a li')
    prepared.clear()
    patience[0] = 1000
    assert triage(day, checkpoints, output) == 0
    assert len(prepared) == 21 - done + 1, "what could not be read is tried again"
    drop = ("seconds",)
    without = [
        [{k: v for k, v in row.items() if k not in drop} for row in read(f)]
        for f in (whole, output)
    ]
    assert without[0] == without[1]
    assert not kept.exists()


def test_nothing_is_written_over(
    day: Path, checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "worklist.csv"
    output.write_text("mine")
    assert triage(day, checkpoints, output) == 2
    assert "already exists" in capsys.readouterr().err
    assert output.read_text() == "mine"


def test_a_folder_that_is_none_is_one_line(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert triage(tmp_path / "nowhere", checkpoints, tmp_path / "worklist.csv") == 2
    assert capsys.readouterr().err.startswith("error: ")
