import shutil
from pathlib import Path

import pytest
from PIL import Image

from retina.datasets.check import Alike, FolderCheck, check_data
from retina.datasets.splits import PARTS
from retina.datasets.synthetic import draw_fundus
from retina.errors import DataError
from retina.training.data import read_split_data
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


@pytest.fixture
def hospitals(tmp_path: Path) -> list[Path]:
    """Three folders: the third holds ten photographs of the first anew, and one as it is."""
    folders = [tmp_path / place / "images" for place in ("north", "south", "west")]
    for number, folder in enumerate(folders):
        names = [f"{patient}_{eye}" for patient in range(12) for eye in ("left", "right")]
        folder.mkdir(parents=True)
        for place, name in enumerate(names):
            draw_fundus(place % 5, 100 * number + place, 96).save(folder / f"{name}.jpg")
        columns = "image_id,grade" if number == 1 else "image,level"
        rows = [columns, *(f"{name},{place % 5}" for place, name in enumerate(names))]
        write_table(folder / "labels.csv", "\n".join(rows) + "\n")
    for patient in range(1, 11):
        # Of other patients, so that their names tell nothing.
        again(folders[0] / f"{patient}_left.jpg", folders[2] / f"{patient + 1}_right.jpg")
    shutil.copy(folders[0] / "0_left.jpg", folders[2] / "11_left.jpg")
    return folders


def test_the_split_of_several_folders_is_that_of_training_on_them_together(
    hospitals: list[Path],
) -> None:
    trained = read_split_data([str(folder) for folder in hospitals], 0).table
    checks, pairs = check_data(hospitals)
    assert [check.name for check in checks] == ["images", "images-2", "images-3"]
    for check in checks:
        assert check.split is not None
        own = trained.loc[trained["source"] == check.name, "part"]
        assert check.split.sizes == {part: (own == part).sum() for part in PARTS}
        assert (check.split.shared_patients, check.split.shared_test_share) == (0, 0)
    dealt = {
        (source, image_id): part
        for source, image_id, part in zip(
            trained["source"], trained["image_id"], trained["part"], strict=True
        )
    }
    near = pairs[1].near_identical
    assert len(near) >= 8  # a small drawing of an eye may be too smooth to be told
    for pair in near:
        parts = [picture.part for picture in pair.pictures]
        assert parts[0] == parts[1]
        assert parts == [
            dealt[source, picture.image_id]
            for source, picture in zip(("images", "images-3"), pair.pictures, strict=True)
        ]
    apart = [check_one(folder).split for folder in hospitals]
    assert [check.split for check in checks] != apart


def test_a_patient_of_two_folders_is_in_more_than_one_part(tmp_path: Path) -> None:
    lists, more = tmp_path / "lists", tmp_path / "more"
    write_pictures(lists, [f"{number}_left.jpeg" for number in range(1, 7)], size=96)
    write_table(lists / "train_img.csv", "".join(f"{number}_left\n" for number in range(1, 6)))
    write_table(lists / "train_label.csv", "0\n" * 5)
    write_table(lists / "test_img.csv", "6_left\n")
    write_table(lists / "test_label.csv", "0\n")
    write_pictures(more, [f"{number}_right.jpeg" for number in range(1, 31)], size=64)
    rows = [f"{number}_right,{number % 5}" for number in range(1, 31)]
    write_table(more / "trainLabels.csv", "\n".join(["image,level", *rows]) + "\n")
    checks, _ = check_data([lists, more])
    table = read_split_data([str(lists), str(more)], 0).table
    parts_of = table.groupby("patient")["part"].nunique()
    for check in checks:
        assert check.split is not None
        own = table.loc[table["source"] == check.name]
        shared = own["patient"].map(parts_of) > 1
        assert check.split.shared_patients == own.loc[shared, "patient"].nunique() > 0
        test = own["part"] == "test"
        assert check.split.shared_test_share == pytest.approx(shared[test].mean())
    alone = check_one(more).split
    assert alone is not None
    assert alone.shared_patients == 0


def test_lists_without_photographs_are_dealt_alone_beside_others(
    faulty: Path, tmp_path: Path
) -> None:
    lists = tmp_path / "lists"
    write_table(lists / "train_img.csv", "1_left\n2_left\n3_left\n")
    write_table(lists / "train_label.csv", "0\n1\n2\n")
    write_table(lists / "test_img.csv", "1_right\n")
    write_table(lists / "test_label.csv", "0\n")
    (first, second), _ = check_data([faulty, lists])
    assert first == check_one(faulty)
    assert second == check_one(lists)
    assert second.split is not None
    assert second.split.shared_patients == 1


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
    # One of them belongs to a group that training drops, and so to no part.
    parts = [{picture.part for picture in pair.pictures} - {None} for pair in check.near_identical]
    assert [len(found) for found in parts] == [1] * 12
    assert (check.faults, check.unlabelled, check.unreadable) == ({}, (), {})
    assert check.sizes == ((224, 224, 3662),)
