import csv
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retina import Grader
from retina.datasets.synthetic import draw_fundus
from retina.errors import SettingsError
from retina.images.limits import MAX_BYTES
from retina.inference import watch as module
from retina.inference.journal import journal_of
from retina.inference.sources import Source
from retina.inference.triage import triage
from retina.inference.watch import watch
from retina.inference.worklist import URGENCIES, Row


@pytest.fixture(scope="module")
def grader(checkpoints: Path) -> Grader:
    return Grader.load("small", checkpoints=checkpoints)


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    folder = tmp_path / "camera"
    folder.mkdir()
    return folder


@pytest.fixture
def worklist(tmp_path: Path) -> Path:
    return tmp_path / "out" / "worklist.csv"


def shoot(camera: Path, name: str, seed: int = 0) -> Path:
    draw_fundus(seed % 5, seed=seed, size=64).save(camera / name)
    return camera / name


def read(worklist: Path) -> dict[str, dict[str, str]]:
    with worklist.open(encoding="utf-8", newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def names(rows: list[Row] | None) -> list[str]:
    assert rows is not None
    return [row["image"] for row in rows]


def test_a_photograph_is_graded_once_it_has_stopped_growing(
    grader: Grader, camera: Path, worklist: Path
) -> None:
    whole = shoot(camera, "1_left.png").read_bytes()
    file = camera / "1_left.png"
    file.write_bytes(whole[:1000])
    looks = watch(grader, camera, worklist)
    assert next(looks) == []
    assert read(worklist) == {}
    file.write_bytes(whole)
    assert next(looks) == []
    assert names(next(looks)) == ["1_left.png"]
    assert read(worklist)["1_left.png"]["error"] == ""
    assert next(looks) == []
    (camera / "second").mkdir()
    shoot(camera / "second", "2_left.png")
    assert [names(next(looks)) for _ in range(3)] == [[], ["second/2_left.png"], []]
    assert len(read(worklist)) == 2


def test_a_bad_file_costs_a_row_and_tables_none(
    grader: Grader, camera: Path, worklist: Path
) -> None:
    shoot(camera, "a.png")
    (camera / "b.png").write_text("no picture")
    with (camera / "c.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (camera / "table.csv").write_text("image,level\n")
    (camera / ".a.png").write_text("what a copy leaves behind")
    looks = watch(grader, camera, worklist)
    next(looks)
    assert names(next(looks)) == ["a.png", "b.png", "c.png"]
    assert names(next(looks)) == []
    rows = read(worklist)
    assert "holds text" in rows["b.png"]["error"]
    assert "larger than 512 MiB" in rows["c.png"]["error"]
    places = [URGENCIES.index(row["urgency"]) for row in rows.values()]
    assert places == sorted(places)


def test_a_photograph_in_the_place_of_another_replaces_its_row(
    grader: Grader, camera: Path, worklist: Path
) -> None:
    file = shoot(camera, "a.png", seed=1)
    looks = watch(grader, camera, worklist)
    next(looks), next(looks)
    first = read(worklist)["a.png"]["image_sha256"]
    shoot(camera, "a.png", seed=2)
    os.utime(file, (1, 1))
    next(looks)
    assert names(next(looks)) == ["a.png"]
    assert list(read(worklist)) == ["a.png"]
    assert read(worklist)["a.png"]["image_sha256"] != first
    looks.close()  # type: ignore[attr-defined]
    again = watch(grader, camera, worklist)
    assert [next(again), next(again)] == [[], []]


def test_what_may_not_be_opened_is_tried_until_it_may_and_what_vanished_is_no_row(
    grader: Grader, camera: Path, worklist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = Path.open

    def refusing(path: Path, *mode: Any, **others: Any) -> Any:
        if path.name == "b.png":
            path.unlink(missing_ok=True)
        if path.name == "a.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_file(path, *mode, **others)

    shoot(camera, "a.png"), shoot(camera, "b.png")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refusing)
        looks = watch(grader, camera, worklist)
        assert [names(next(looks)) for _ in range(3)] == [[], ["a.png"], []]
        looks.close()  # type: ignore[attr-defined]
        assert {name: row["error"] for name, row in read(worklist).items()} == {
            "a.png": "a.png cannot be read (Permission denied); check its permissions and its disk."
        }
        looks = watch(grader, camera, worklist)
        assert [names(next(looks)) for _ in range(2)] == [[], []]
    assert [names(next(looks)) for _ in range(2)] == [["a.png"], []]
    assert read(worklist)["a.png"]["error"] == ""


def test_a_new_start_goes_on_and_keeps_what_was_taken_away(
    grader: Grader, camera: Path, worklist: Path
) -> None:
    shoot(camera, "a.png")
    looks = watch(grader, camera, worklist)
    next(looks), next(looks)
    looks.close()  # type: ignore[attr-defined]
    (camera / "a.png").unlink()
    shoot(camera, "b.png")
    worklist.unlink()  # as if it had been killed before it was written
    looks = watch(grader, camera, worklist)
    assert next(looks) == []
    assert list(read(worklist)) == ["a.png"]
    assert names(next(looks)) == ["b.png"]
    assert set(read(worklist)) == {"a.png", "b.png"}


def test_who_is_interrupted_in_a_batch_has_written_what_is_done(
    grader: Grader, camera: Path, worklist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        shoot(camera, f"{number}.png", seed=number)

    def interrupted(grader: Grader, sources: list[Source]) -> Iterator[Row]:
        yield from triage(grader, sources[:3])
        if sources:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "triage", interrupted)
    looks = watch(grader, camera, worklist)
    with pytest.raises(KeyboardInterrupt):
        next(looks), next(looks)
    assert len(read(worklist)) == 3
    monkeypatch.undo()
    looks = watch(grader, camera, worklist)
    next(looks)
    assert names(next(looks)) == ["3.png"]


def test_the_worklist_is_written_after_each_batch(
    grader: Grader, camera: Path, worklist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "write_text", lambda _, text: written.append(text.count("\n") - 1))
    for number in range(5):
        shoot(camera, f"{number}.png", seed=number)
    looks = watch(grader, camera, worklist)
    next(looks), next(looks)
    assert written == [0, 2, 4, 5]


def test_a_folder_that_is_gone_for_a_while_is_waited_for(
    grader: Grader, camera: Path, worklist: Path
) -> None:
    shoot(camera, "a.png")
    looks = watch(grader, camera, worklist)
    next(looks), next(looks)
    away = camera.rename(camera.with_name("away"))
    assert next(looks) is None
    away.rename(camera)
    assert [next(looks), next(looks)] == [[], []]


def test_what_others_wrote_is_left_alone(grader: Grader, camera: Path, worklist: Path) -> None:
    worklist.parent.mkdir()
    worklist.write_text("mine")
    with pytest.raises(SettingsError, match="no watch wrote it"):
        next(watch(grader, camera, worklist))
    assert worklist.read_text() == "mine"
    worklist.unlink()
    shoot(camera, "a.png")
    looks = watch(grader, camera, worklist)
    next(looks), next(looks)
    looks.close()  # type: ignore[attr-defined]
    journal = journal_of(worklist)
    journal.write_text(journal.read_text().replace(grader.sha256, "b" * 64))
    with pytest.raises(SettingsError, match="another model's worklist"):
        next(watch(grader, camera, worklist))
