import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from retina.datasets.looks import Look, look_at
from retina.datasets.near_identical import SIDE, near_identical, small_square
from retina.datasets.synthetic import draw_fundus
from retina.images.decode import load_fundus
from tests.shared_data import SHARED_DATA, needs_shared_data


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
    monkeypatch.setattr("retina.datasets.near_identical._BLOCK", 7)
    assert {pair[:2] for pair in near_identical(squares(drawn), squares(drawn), 0.0)} == {
        pair[:2] for pair in expected
    }
    within = near_identical(squares(drawn), threshold=0.0)
    assert {pair[:2] for pair in within} == {
        (first, second) for first, second, _ in expected if first < second
    }


def test_pictures_without_detail_are_like_nothing() -> None:
    flat = np.full((2, SIDE, SIDE), 90, dtype=np.uint8)
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
        assert isinstance(look, Look)
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
