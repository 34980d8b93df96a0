import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from retina import Grader
from retina.datasets.synthetic import draw_fundus
from retina.inference.sources import photographs_in
from retina.inference.triage import triage
from retina.inference.worklist import graded_row, to_csv
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
    told = to_csv(list(rows.values()))
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
