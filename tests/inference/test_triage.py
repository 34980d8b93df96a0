import csv
import errno
import os
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retina import Grader
from retina.datasets.synthetic import draw_fundus
from retina.errors import SettingsError
from retina.images.limits import MAX_BYTES
from retina.inference import triage as module
from retina.inference.sources import Source, photographs_in
from retina.inference.triage import triage, watch
from retina.inference.worklist import URGENCIES, Row, graded_row, journal_of, worklist_csv
from tests.images.dicom_files import PRIVATE, dicom


@pytest.fixture(scope="module")
def grader(checkpoints: Path) -> Grader:
    return Grader.load("small", checkpoints=checkpoints)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven photographs in two folders, two broken ones among them, and what is none."""
    folder = tmp_path_factory.mktemp("day")
    (folder / "morning").mkdir()
    for number in range(9):
        place = folder / "morning" if number % 2 else folder
        draw_fundus(number % 5, seed=number, size=96).save(place / f"{number}_left.png")
    whole = (folder / "0_left.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.jpg").write_text("no picture")
    (folder / "table.csv").write_text("image,level\n")
    return folder


def test_each_photograph_is_graded_as_by_itself_and_bad_ones_stop_nothing(
    grader: Grader, day: Path
) -> None:
    sources = photographs_in(day).sources
    assert [source.name for source in sources] == sorted(
        path.relative_to(day).as_posix()
        for path in day.rglob("*")
        if path.suffix in (".png", ".jpg")
    )
    rows = list(triage(grader, sources))
    assert [row["image"] for row in rows] == [source.name for source in sources]
    threshold = grader.checkpoint.config.referable.threshold
    for row in rows:
        if row["image"] in ("cut.png", "notes.jpg"):
            assert row["image"] in row["error"]
            assert (row["urgency"], row["grade"]) == ("ungradable", None)
            continue
        expected = graded_row(row["image"], grader.grade(day / row["image"]), threshold)
        numbers = ("confidence", "referable_probability", "p0", "p4")
        for name in (*expected, *numbers):
            if isinstance(expected[name], float) and name != "seconds":
                assert row[name] == pytest.approx(expected[name], abs=1e-5), name
            elif name != "seconds":
                assert row[name] == expected[name], name


def test_an_archive_is_its_folder_and_its_paths_are_only_names(
    grader: Grader, day: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "day.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in day.rglob("*"):
            packed.write(path, path.relative_to(day))
        packed.write(day / "0_left.png", "../../etc/0_left.png")
    outside = tmp_path.parent / "etc"
    rows = {row["image"]: row for row in triage(grader, photographs_in(archive).sources)}
    for row in triage(grader, photographs_in(day).sources):
        assert rows[row["image"]]["image_sha256"] == row["image_sha256"]
        assert rows[row["image"]]["grade"] == row["grade"]
    assert rows["../../etc/0_left.png"]["grade"] == rows["0_left.png"]["grade"]
    assert not outside.exists()


def test_an_archive_that_lies_or_is_locked_costs_a_row_only(
    grader: Grader, day: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "day.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(day / "0_left.png", "a.png")
        packed.write(day / "2_left.png", "b.png")
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as packed:
        start = packed.getinfo("a.png").header_offset + 200
    content[start : start + 50] = bytes(50)
    archive.write_bytes(content)
    broken, whole = triage(grader, photographs_in(archive).sources)
    assert broken["error"]
    assert broken["urgency"] == "ungradable"
    assert whole["grade"] is not None


def test_who_stops_taking_rows_stops_the_work(grader: Grader, day: Path) -> None:
    opened: list[str] = []
    sources = photographs_in(day).sources

    def counted() -> Iterator[object]:
        for source in sources * 20:
            opened.append(source.name)
            yield source

    rows = triage(grader, counted())  # type: ignore[arg-type]
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert len(opened) < 60


def test_memory_does_not_grow_with_the_number(grader: Grader, day: Path) -> None:
    sources = [source for source in photographs_in(day).sources if source.name.endswith("left.png")]

    def peak(times: int) -> int:
        tracemalloc.start()
        for _ in triage(grader, sources * times):
            pass
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(1)
    assert peak(10) < 1.5 * peak(3)


def test_dicom_is_graded_as_its_pixels_and_its_eyes_are_paired(
    grader: Grader, tmp_path: Path
) -> None:
    eyes = [draw_fundus(3, seed=1, size=96), draw_fundus(0, seed=2, size=96)]
    for name, eye, side in (("IM01", eyes[0], "R"), ("1.2.840.5", eyes[1], "L")):
        (tmp_path / name).write_bytes(dicom(eye, ImageLaterality=side))
    (tmp_path / "other.dcm").write_bytes(dicom(eyes[1], PatientID="9", ImageLaterality="L"))
    eyes[0].save(tmp_path / "same.png")
    (tmp_path / "notes").write_text("no photograph")
    (tmp_path / "DICOMDIR").write_bytes(dicom(eyes[0]))
    rows = {row["image"]: row for row in triage(grader, photographs_in(tmp_path).sources)}
    assert set(rows) == {"IM01", "1.2.840.5", "other.dcm", "same.png"}
    right, left = rows["IM01"], rows["1.2.840.5"]
    assert (right["eye"], left["eye"]) == ("right", "left")
    assert right["patient"] == left["patient"] != rows["other.dcm"]["patient"]
    for name in ("grade", "quality", "width", "height"):
        assert right[name] == rows["same.png"][name]
    for name in (f"p{grade}" for grade in range(5)):
        assert right[name] == pytest.approx(rows["same.png"][name], abs=1e-6)
    told = worklist_csv(list(rows.values()))
    assert not any(value in told for value in PRIVATE)


def test_a_damaged_photograph_in_an_archive_stops_no_other(
    grader: Grader, day: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "day.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.png", "b.png", "__MACOSX/._a.png"):
            archive.write(day / "0_left.png", name)
        offset = archive.getinfo("a.png").header_offset
    data = bytearray((tmp_path / "day.zip").read_bytes())
    for place in range(offset + 200, offset + 4000, 7):
        data[place] ^= 0x5A
    (tmp_path / "day.zip").write_bytes(data)
    rows = {
        row["image"]: row for row in triage(grader, photographs_in(tmp_path / "day.zip").sources)
    }
    assert set(rows) == {"a.png", "b.png"}
    assert "a.png cannot be read" in rows["a.png"]["error"]
    assert rows["b.png"]["error"] is None


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
