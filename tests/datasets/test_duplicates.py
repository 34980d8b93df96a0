import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from retina.datasets import duplicates as looks
from retina.datasets import parallel
from retina.datasets.catalog import read_folder
from retina.datasets.duplicates import (
    FINGERPRINT_SIDE,
    Fingerprint,
    digest_of,
    drop_identical,
    look_at,
    near_identical,
    small_square,
)
from retina.datasets.parallel import Unreadable
from retina.datasets.splits import familiar_test_share, shared_patients
from retina.datasets.synthetic import draw_fundus
from retina.images.decode import load_fundus
from tests.datasets.pictures import table_of, write_pictures
from tests.shared_data import SHARED_DATA, needs_shared_data


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RETINA_CACHE", str(folder))
    return folder


def digests(paths: list[str]) -> list[str]:
    return [look.digest for look in look_at(paths) if isinstance(look, Fingerprint)]


def test_it_is_remembered_until_the_file_changes(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pictures(tmp_path, ["a.png", "b.png"])
    first = digests(paths)
    assert first == [digest_of(load_fundus(path)) for path in paths]

    decoded: list[str] = []

    def recorded(path: str) -> Image.Image:
        decoded.append(path)
        return load_fundus(path)

    monkeypatch.setattr(looks, "load_fundus", recorded)
    assert digests(paths) == first
    assert decoded == []
    Image.new("RGB", (48, 48)).save(paths[1])
    assert digests(paths)[0] == first[0]
    assert decoded == [paths[1]]


def test_unreadable_pictures_do_not_stop_the_others(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", 2)
    paths = write_pictures(tmp_path, [f"{number}.png" for number in range(7)])
    Path(paths[3]).write_text("not a picture")
    Path(paths[5]).unlink()
    seen = look_at(paths)
    assert [index for index, d in enumerate(seen) if isinstance(d, Unreadable)] == [3, 5]
    assert isinstance(seen[6], Fingerprint)
    assert seen[6].digest == digest_of(load_fundus(paths[6]))
    assert isinstance(seen[3], Unreadable)
    assert seen[3].path == paths[3]
    assert "3.png" in seen[3].reason


def compressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file).convert("RGB")


def framed(image: Image.Image) -> Image.Image:
    frame = Image.new("RGB", (image.width * 2, image.height + 60))
    frame.paste(image, (image.width // 2, 30))
    return frame


SAVED_AGAIN: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed": compressed,
    "half its size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "squeezed": lambda image: image.resize((image.width, image.height * 3 // 4)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "in a wider frame": framed,
}


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    return [draw_fundus(number % 5, number, 320) for number in range(20)]


def squares(images: list[Image.Image]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack([small_square(image) for image in images])


@pytest.mark.parametrize("how", SAVED_AGAIN)
def test_a_photograph_saved_again_is_found_among_others(drawn: list[Image.Image], how: str) -> None:
    again = [SAVED_AGAIN[how](image) for image in drawn]
    pairs = near_identical(squares(drawn), squares(again))
    assert sorted((first, second) for first, second, _ in pairs) == [(n, n) for n in range(20)]


def test_different_photographs_are_no_pairs_and_a_pair_is_told_once(
    drawn: list[Image.Image],
) -> None:
    assert near_identical(squares(drawn)) == []
    (pair,) = near_identical(squares([*drawn, drawn[3]]))
    assert (pair.first, pair.second) == (3, 20)
    assert pair.correlation == pytest.approx(1, abs=1e-5)


def test_pairs_are_found_across_blocks(
    drawn: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = near_identical(squares(drawn), squares(drawn), threshold=0.0)
    monkeypatch.setattr("retina.datasets.duplicates._BLOCK", 7)
    assert {pair[:2] for pair in near_identical(squares(drawn), squares(drawn), 0.0)} == {
        pair[:2] for pair in expected
    }
    within = near_identical(squares(drawn), threshold=0.0)
    assert {pair[:2] for pair in within} == {
        (first, second) for first, second, _ in expected if first < second
    }


def test_pictures_without_detail_are_like_nothing() -> None:
    flat = np.full((2, FINGERPRINT_SIDE, FINGERPRINT_SIDE), 90, dtype=np.uint8)
    assert near_identical(flat) == []
    assert near_identical(flat[:0]) == []


def test_a_look_holds_what_was_decoded_and_is_remembered(
    tmp_path: Path, drawn: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path / "cache"))
    image = drawn[0].crop((0, 0, 320, 300))
    image.save(tmp_path / "eye.png")
    for _ in range(2):
        (look,) = look_at([str(tmp_path / "eye.png")])
        assert isinstance(look, Fingerprint)
        assert (look.width, look.height) == (320, 300)
        assert (look.square == small_square(image)).all()


@needs_shared_data
def test_no_photograph_of_eyepacs_is_like_another() -> None:
    files = sorted((SHARED_DATA / "eyepacs" / "images").iterdir())[:60]
    images = [load_fundus(file, at_least=256) for file in files]
    before = squares(images)
    assert near_identical(before) == []
    pairs = near_identical(before, squares([compressed(image) for image in images]))
    assert all(first == second for first, second, _ in pairs)
    assert len(pairs) >= 57


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
    digests = [look.digest if isinstance(look, Fingerprint) else look for look in looks]
    left, report = drop_identical(catalog.table, digests)
    assert (report.groups, report.files, report.conflicting_groups) == (123, 251, 30)
    assert report.left == len(left) == 3504
    assert report.unreadable == ()
    assert left["grade"].value_counts().sort_index().tolist() == [1796, 338, 922, 177, 271]
