import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from retina.images.field_of_view import (
    FieldOfView,
    _longest_runs,
    crop_to_retina,
    find_retina,
)
from tests.images.drawing import Colour, disc
from tests.shared_data import SHARED_DATA, needs_shared_data


def share(found: FieldOfView, image: Image.Image) -> npt.NDArray[np.float64]:
    """The box in percent of the picture's width and height."""
    return np.divide(found.box, image.size * 2) * 100


def noisy(image: Image.Image, deviation: float) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, deviation, np.asarray(image).shape)
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "centre", "radii"),
    [
        ((800, 600), (420, 300), (250, 250)),
        ((800, 600), (390, 290), (350, 350)),  # cut off above and below
        ((800, 600), (250, 330), (320, 320)),  # cut off on three sides
        ((500, 500), (250, 250), (150, 230)),  # squashed
        ((4288, 2848), (2100, 1424), (1700, 1700)),
        ((224, 224), (110, 112), (85, 120)),
        ((300, 700), (150, 350), (120, 120)),
    ],
)
@pytest.mark.parametrize("colour", [(180, 90, 40), (14, 7, 3), (250, 240, 230)])
def test_the_box_is_that_of_the_drawn_disc(
    size: tuple[int, int], centre: tuple[int, int], radii: tuple[int, int], colour: Colour
) -> None:
    image = disc(size, centre, radii, colour)
    found = find_retina(image)
    box = image.convert("L").point(lambda value: 255 * (value > 2)).getbbox()
    assert box is not None
    assert found.found
    assert np.abs(np.subtract(found.box, box)).max() <= 0.01 * max(size)


@pytest.mark.parametrize("deviation", [2, 5, 12, 40])
def test_a_noisy_border_that_is_not_black_does_not_widen_the_box(deviation: float) -> None:
    clean = disc((640, 480), (330, 240), (200, 200), (180, 110, 70), border=(12, 10, 14))
    image = noisy(clean, deviation)
    assert np.abs(np.subtract(find_retina(image).box, (130, 40, 530, 440))).max() <= 7


def test_labels_in_the_corners_and_beside_the_disc_do_not_widen_the_box() -> None:
    image = disc((900, 600), (450, 300), (260, 260))
    draw = ImageDraw.Draw(image)
    draw.text((10, 10), "2026-11-24 09:31", fill=(0, 255, 0), font_size=24)
    draw.rectangle((820, 550, 880, 580), fill=(255, 255, 255))
    draw.rectangle((20, 290, 90, 306), fill=(255, 255, 255))
    assert np.abs(np.subtract(find_retina(image).box, (190, 40, 710, 560))).max() <= 9


def test_a_dark_macula_and_a_shadow_do_not_narrow_the_box() -> None:
    image = disc((640, 480), (320, 240), (220, 220), (170, 120, 90))
    draw = ImageDraw.Draw(image)
    draw.ellipse((250, 170, 390, 310), fill=(4, 3, 2))
    shade = np.linspace(0.25, 1, 640)[None, :, None]
    image = Image.fromarray((np.asarray(image) * shade).astype(np.uint8))
    assert np.abs(np.subtract(find_retina(image).box, (100, 20, 540, 460))).max() <= 7


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (150, 80, 40), (3, 3, 3)])
@pytest.mark.parametrize("size", [(16, 16), (640, 480), (2000, 16)])
def test_a_picture_of_one_colour_is_kept_whole(colour: Colour, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, colour)
    assert find_retina(image) == FieldOfView(0, 0, *size, found=False)
    assert crop_to_retina(image).size == size


def test_a_retina_without_a_border_is_kept_whole() -> None:
    image = noisy(Image.new("RGB", (640, 480), (170, 90, 50)), 15)
    assert find_retina(image) == FieldOfView(0, 0, 640, 480, found=False)
    corners_cut = disc((640, 480), (320, 240), (385, 385))
    assert find_retina(corners_cut).box == (0, 0, 640, 480)


def test_a_few_bright_spots_are_no_disc() -> None:
    image = Image.new("RGB", (640, 480))
    draw = ImageDraw.Draw(image)
    for x in range(180, 460, 60):
        draw.rectangle((x, 240, x + 30, 255), fill=(255, 255, 255))
    assert not find_retina(image).found


def test_noise_alone_is_no_disc() -> None:
    assert not find_retina(noisy(Image.new("RGB", (500, 400), (20, 20, 20)), 20)).found


def test_the_crop_is_the_box() -> None:
    image = disc((800, 600), (420, 300), (250, 200))
    assert crop_to_retina(image).tobytes() == image.crop(find_retina(image).box).tobytes()


REAL = [
    ("aptos2019/images", 12, 0.8),
    ("eyepacs/images", 12, 0.95),
    ("odir/images", 12, 0.95),
    ("idrid_camera", 3, 1.0),
    ("quality/good", 6, 0.0),
]


def real_photographs(folder: str, count: int) -> list[Image.Image]:
    paths = sorted(p for p in (SHARED_DATA / folder).iterdir() if p.suffix in (".jpg", ".jpeg"))
    return [Image.open(path).convert("RGB") for path in paths[:: len(paths) // count][:count]]


def half_of(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)


@needs_shared_data
def test_pictures_of_something_else_are_kept_nearly_whole() -> None:
    for image in real_photographs("quality/outlier", 11):
        assert np.abs(share(find_retina(image), image) - [0, 0, 100, 100]).max() <= 10


@needs_shared_data
@pytest.mark.parametrize(("folder", "count", "least_found"), REAL)
def test_half_and_double_size_have_the_same_box(
    folder: str, count: int, least_found: float
) -> None:
    images = real_photographs(folder, count)
    assert sum(find_retina(image).found for image in images) >= least_found * len(images)
    for image in images:
        tolerance = max(1.0, 100.1 / min(half_of(image).size))  # percent; a pixel at the least
        here = share(find_retina(image), image)
        half = half_of(image)
        assert np.abs(share(find_retina(half), half) - here).max() <= tolerance
        if image.width < 2000:
            double = image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
            assert np.abs(share(find_retina(double), double) - here).max() <= tolerance


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (30, 40)])
def test_the_longest_run_is_that_of_a_search(shape: tuple[int, int], share: float) -> None:
    lit = np.random.default_rng(0).random(shape) < share
    for rows in (lit, lit.T):
        text = ["".join("#" if pixel else " " for pixel in row) for row in rows]
        expected = [max(map(len, row.split(" "))) for row in text]
        assert _longest_runs(rows).tolist() == expected
