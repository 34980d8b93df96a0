from pathlib import Path

import pytest

from retina.datasets.folder import scan, without_ending
from retina.errors import DataError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_pictures_of_every_usual_ending_and_tables_are_found_in_sub_folders(
    tmp_path: Path,
) -> None:
    pictures = ["a.JPG", "b/c.jpeg", "b/d/e.Png", "f.tif", "g.TIFF", "h.webp", "i.bmp"]
    touch(tmp_path, *pictures, "tables/x.CSV", "readme.txt", ".hidden/a.jpg", "._a.jpg")
    found = scan(tmp_path)
    assert sorted(found.pictures) == sorted(pictures)
    assert found.tables == ("tables/x.CSV",)


def test_a_name_without_an_ending_of_ours_keeps_its_dots() -> None:
    assert without_ending("eye.1.jpeg") == "eye.1"
    assert without_ending("eye.1") == "eye.1"


def test_folders_and_endings_choose_among_pictures_of_one_name(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "test/1.jpg", "test/1.png", "test/2.jpg")
    found = scan(tmp_path)
    assert found.find("train/1") == ["train/1.jpg"]
    assert found.find("test/1.png") == ["test/1.png"]
    assert len(found.find("test/1")) == 2
    assert len(found.find("1")) == 3
    assert found.find("/home/someone/2.tif") == ["test/2.jpg"]
    assert found.find("3") == []


def test_a_link_that_leads_back_is_entered_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert scan(tmp_path).pictures == ("a/1.jpg",)


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "file")
    with pytest.raises(DataError, match="no folder"):
        scan(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is a file"):
        scan(tmp_path / "file")


def test_a_table_prefers_the_pictures_of_its_part_and_then_those_near_it(tmp_path: Path) -> None:
    touch(tmp_path, "a/train/1.jpg", "a/test/1.jpg", "b/train/1.jpg", "b/test/1.jpg", "c/1.jpg")
    found = scan(tmp_path)
    assert found.find("1", near="a/train_labels.csv") == ["a/train/1.jpg"]
    assert found.find("1", near="b/Testing.csv") == ["b/test/1.jpg"]
    assert found.find("1", near="c/labels.csv") == ["c/1.jpg"]
    assert len(found.find("1", near="train.csv")) == 2
    assert len(found.find("1", near="labels.csv")) == 5
