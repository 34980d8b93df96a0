import shutil
from pathlib import Path

import pytest
from PIL import Image

from retina.datasets.check import Alike, FolderCheck, check_data
from retina.errors import DataError
from tests.datasets.layouts import write_ddr
from tests.datasets.pictures import write_pictures, write_table
from tests.shared_data import SHARED_DATA, needs_shared_data


def check_one(folder: Path) -> FolderCheck:
    (check,), both = check_data([folder])
    assert both == []
    return check


def names(groups: tuple[Alike, ...]) -> list[list[str]]:
    return [[picture.image_id for picture in group.pictures] for group in groups]


def again(source: Path, target: Path) -> None:
    """Save a photograph again, a little darker and compressed."""
    with Image.open(source) as image:
        image.convert("RGB").point(lambda level: level * 0.9).save(target, quality=90)


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Photographs with one fault of each kind."""
    folder = tmp_path / "faulty"
    ids = [f"p{number:02}" for number in range(20)]
    write_pictures(folder, [f"{name}.jpg" for name in [*ids, "stray"]], size=128)
    shutil.copy(folder / "p00.jpg", folder / "p01.jpg")
    shutil.copy(folder / "p02.jpg", folder / "p03.jpg")
    again(folder / "p04.jpg", folder / "p05.jpg")
    (folder / "p06.jpg").write_bytes(b"no picture")
    grades = dict.fromkeys(ids, "0") | {"p02": "3", "p07": "6", "p08": "1", "gone": "2"}
    rows = "".join(f"{name},{grade}\n" for name, grade in grades.items())
    write_table(folder / "labels.csv", f"image_id,grade\n{rows}")
    return folder


def test_every_kind_of_fault_is_found(faulty: Path) -> None:
    check = check_one(faulty)
    assert (check.name, check.format, check.rows, check.pictures) == ("faulty", "plain CSV", 21, 19)
    assert names(check.identical) == [["p02", "p03"], ["p00", "p01"]]
    assert [group.conflicting for group in check.identical] == [True, False]
    assert names(check.near_identical) == [["p04", "p05"]]
    assert 0.85 <= check.near_identical[0].correlation < 1
    assert check.faults == {"no grade": (("p07", "6"),), "no picture": (("gone", "2"),)}
    assert check.unlabelled == ("stray.jpg",)
    assert list(check.unreadable) == ["p06"]
    assert "p06.jpg" in check.unreadable["p06"]
    assert check.grades == (17, 1, 0, 1, 0)
    counts = [count for _, _, count in check.sizes]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == 18
    assert {height for _, height, _ in check.sizes} == {128}


def test_the_split_is_that_of_training(faulty: Path) -> None:
    split = check_one(faulty).split
    assert split is not None
    # Without the unreadable one, the conflicting two and one of two identical ones.
    assert sum(split.sizes.values()) == 19 - 1 - 2 - 1
    assert (split.given, split.shared_patients, split.shared_test_share) == (False, 0, 0)
    (pair,) = check_one(faulty).near_identical
    assert {picture.part for picture in pair.pictures} <= set(split.sizes)


def test_a_given_split_is_checked_as_it_is(tmp_path: Path) -> None:
    write_ddr(tmp_path)
    split = check_one(tmp_path).split
    assert split is not None
    assert (split.given, split.sizes) == (True, {"train": 1, "validation": 1, "test": 1})


def test_too_few_patients_have_no_split(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["0/1_left.jpg", "4/1_right.jpg"])
    check = check_one(tmp_path)
    assert (check.format, check.split) == ("class folders", None)
    assert check.grades == (1, 0, 0, 0, 1)


def test_a_folder_without_labels_is_checked_for_what_it_can_be(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.jpg", "x/b.jpg"])
    shutil.copy(tmp_path / "a.jpg", tmp_path / "x" / "a.jpg")
    check = check_one(tmp_path)
    assert (check.format, check.rows, check.pictures, check.split) == ("no labels", 0, 3, None)
    assert names(check.identical) == [["a", "x/a"]]
    assert check.identical[0].pictures[0].grade is None
    assert not check.identical[0].conflicting


def test_what_two_folders_both_hold(faulty: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(faulty / "p09.jpg", other / "renamed.jpg")
    again(faulty / "p10.jpg", other / "p10.jpg")
    write_table(other / "labels.csv", "image_id,grade\nrenamed,4\np10,0\n")
    checks, (both,) = check_data([faulty, other])
    assert [check.name for check in checks] == ["faulty", "other"]
    assert names(both.identical) == [["p09", "renamed"]]
    assert both.identical[0].conflicting
    assert names(both.near_identical) == [["p10", "p10"]]
    assert both.shared_ids == both.shared_patients == ("p10",)


def test_nothing_to_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*nowhere"):
        check_data([tmp_path / "nowhere"])
    with pytest.raises(DataError, match="holds no photographs and no labels; looked for"):
        check_data([tmp_path])
    write_pictures(tmp_path, ["a.jpg"])
    with pytest.raises(DataError, match="are the same folder"):
        check_data([tmp_path, tmp_path / ".." / tmp_path.name])


@needs_shared_data
def test_the_labs_lists_are_checked_without_their_photographs() -> None:
    check = check_one(SHARED_DATA / "nctu_lab3")
    assert (check.format, check.rows, check.pictures) == ("lab lists", 28_100 + 7_026, 0)
    assert check.split is not None
    assert check.split.given
    assert check.split.shared_test_share == pytest.approx(0.80, abs=0.005)
    assert check.split.shared_patients == 5618
    assert check.split.sizes["test"] == 7026
    assert check.grades == (25810, 2443, 5292, 873, 708)


@needs_shared_data
def test_aptos() -> None:
    check = check_one(SHARED_DATA / "aptos2019")
    assert len(check.identical) == 123
    assert sum(len(group.pictures) for group in check.identical) == 251
    assert sum(group.conflicting for group in check.identical) == 30
    # Looked at one by one: each is one photograph, saved twice.
    assert len(check.near_identical) == 12
    assert min(pair.correlation for pair in check.near_identical) > 0.98
    assert check.split is not None
    assert (check.split.sizes["test"], check.split.shared_patients) == (701, 0)
    parts = [{picture.part for picture in pair.pictures} for pair in check.near_identical]
    assert all(len(found) == 1 for found in parts)
    assert (check.faults, check.unlabelled, check.unreadable) == ({}, (), {})
    assert check.sizes == ((224, 224, 3662),)
