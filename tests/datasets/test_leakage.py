from pathlib import Path

import pandas as pd
from PIL import Image

from retina.datasets.formats import read_folder
from retina.datasets.leakage import (
    digest_of,
    drop_identical,
    familiar_test_share,
    shared_patients,
)
from retina.datasets.looks import Look, look_at
from retina.datasets.parallel import Unreadable
from retina.images.decode import load_fundus
from tests.datasets.pictures import table_of, write_pictures
from tests.shared_data import SHARED_DATA, needs_shared_data


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
    first, same, other = (
        digest_of(load_fundus(file)) for file in (path, tmp_path / "b.bmp", tmp_path / "c.png")
    )
    assert first == same != other
    assert digest_of(Image.new("RGB", (16, 32))) != digest_of(Image.new("RGB", (32, 16)))


def test_shared_patients_are_counted_once() -> None:
    grades = {"1_left": 0, "1_right": 0, "2_left": 0, "2_right": 0, "3_left": 0}
    table = table_of(grades, {name: name[0] for name in grades})
    parts = pd.Series(["train", "test", "train", "train", "test"])
    assert shared_patients(table, parts) == 1
    assert familiar_test_share(table, parts) == 0.5


@needs_shared_data
def test_identical_pictures_of_aptos() -> None:
    catalog = read_folder(SHARED_DATA / "aptos2019")
    looks = look_at(catalog.table["path"].tolist())
    digests = [look.digest if isinstance(look, Look) else look for look in looks]
    left, report = drop_identical(catalog.table, digests)
    assert (report.groups, report.files, report.conflicting_groups) == (123, 251, 30)
    assert report.left == len(left) == 3504
    assert report.unreadable == ()
    assert left["grade"].value_counts().sort_index().tolist() == [1796, 338, 922, 177, 271]
