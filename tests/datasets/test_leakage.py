import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from retina.datasets import leakage, parallel
from retina.datasets.formats import read_folder
from retina.datasets.leakage import drop_identical, pixel_digest, pixel_digests, shared_patients
from retina.datasets.parallel import Unreadable
from tests.datasets.pictures import table_of, write_pictures
from tests.shared_data import SHARED_DATA, needs_shared_data


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RETINA_CACHE", str(folder))
    return folder


def test_one_of_identical_pictures_is_kept_and_none_where_grades_conflict() -> None:
    table = table_of({"b": 1, "a": 1, "c": 2, "d": 0, "e": 4, "f": 3})
    table.index = pd.Index([10, 11, 12, 13, 14, 15])
    broken = Unreadable("f.png", "f.png is cut off.")
    left, report = drop_identical(table, ["x", "x", "y", "z", "z", broken])
    assert left["image_id"].tolist() == ["a", "c"]
    assert left.index.tolist() == [11, 12]
    assert (report.groups, report.files, report.conflicting_groups) == (2, 4, 1)
    assert (report.left, report.unreadable) == (2, (broken,))


def test_a_digest_is_of_pixels_and_size_and_not_of_the_file(tmp_path: Path) -> None:
    [path] = write_pictures(tmp_path, ["a.png"])
    image = Image.open(path)
    image.save(tmp_path / "b.bmp")
    image.putpixel((20, 20), (1, 2, 3))
    image.save(tmp_path / "c.png")
    Image.new("RGB", (16, 32)).save(tmp_path / "wide.png")
    Image.new("RGB", (32, 16)).save(tmp_path / "tall.png")
    assert pixel_digest(path) == pixel_digest(tmp_path / "b.bmp")
    assert pixel_digest(path) != pixel_digest(tmp_path / "c.png")
    assert pixel_digest(tmp_path / "wide.png") != pixel_digest(tmp_path / "tall.png")


def test_digests_are_remembered_until_the_file_changes(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pictures(tmp_path, ["a.png", "b.png"])
    first = pixel_digests(paths)
    assert first == [pixel_digest(path) for path in paths]

    digested: list[str] = []

    def recorded(path: str) -> str:
        digested.append(path)
        return pixel_digest(path)

    monkeypatch.setattr(leakage, "pixel_digest", recorded)
    assert pixel_digests(paths) == first
    assert digested == []
    Image.new("RGB", (48, 48)).save(paths[1])
    assert pixel_digests(paths)[0] == first[0]
    assert digested == [paths[1]]
    [file] = memory.iterdir()
    file.write_text("[1, 2")
    assert pixel_digests(paths)[0] == first[0]
    assert len(json.loads(file.read_text())) == 2


def test_unreadable_pictures_do_not_stop_the_others(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", 2)
    paths = write_pictures(tmp_path, [f"{number}.png" for number in range(7)])
    Path(paths[3]).write_text("not a picture")
    Path(paths[5]).unlink()
    digests = pixel_digests(paths)
    assert [index for index, d in enumerate(digests) if isinstance(d, Unreadable)] == [3, 5]
    assert digests[6] == pixel_digest(paths[6])
    assert isinstance(digests[3], Unreadable)
    assert digests[3].path == paths[3]
    assert "3.png" in digests[3].reason


def test_shared_patients_are_counted_once() -> None:
    grades = {"1_left": 0, "1_right": 0, "2_left": 0, "2_right": 0, "3_left": 0}
    table = table_of(grades, {name: name[0] for name in grades})
    parts = pd.Series(["train", "test", "train", "train", "test"])
    assert shared_patients(table, parts) == 1
    assert leakage.familiar_test_share(table, parts) == 0.5


@needs_shared_data
def test_identical_pictures_of_aptos() -> None:
    catalog = read_folder(SHARED_DATA / "aptos2019")
    left, report = drop_identical(catalog.table, pixel_digests(catalog.table["path"].tolist()))
    assert (report.groups, report.files, report.conflicting_groups) == (123, 251, 30)
    assert report.left == len(left) == 3504
    assert report.unreadable == ()
    assert left["grade"].value_counts().sort_index().tolist() == [1796, 338, 922, 177, 271]
