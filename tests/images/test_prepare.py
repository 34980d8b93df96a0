import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retina.errors import MissingFile, SettingsError
from retina.images.decode import prepare
from retina.images.field_of_view import crop_to_retina
from retina.images.prepare import Preprocessing, normalise, prepare_square
from tests.images.drawing import disc, encoded, gradient


def test_settings_survive_json() -> None:
    settings = Preprocessing(False, 224, "lanczos", (0.37, 0.26, 0.18), (0.25, 0.17, 0.12))
    text = json.dumps(settings.to_json())
    assert Preprocessing.from_json(json.loads(text)) == settings
    assert set(settings.to_json()) == {"crop", "size", "interpolation", "mean", "std"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 31},
        {"size": 2049},
        {"size": 224.0},
        {"size": True},
        {"size": "224"},
        {"crop": 1},
        {"interpolation": "nearest"},
        {"interpolation": ["box"]},
        {"mean": [0.5, 0.5]},
        {"mean": [0.5, 0.5, 1.5]},
        {"mean": [0.5, 0.5, float("nan")]},
        {"mean": 0.5},
        {"std": [0.1, 0.0, 0.1]},
        {"std": [0.1, -0.1, 0.1]},
        {"std": [0.1, "0.1", 0.1]},
        {"std": [0.1, float("inf"), 0.1]},
        {"colour": "red"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="preprocessing"):
        Preprocessing.from_json(Preprocessing().to_json() | wrong)


def test_a_missing_setting_is_refused() -> None:
    values = Preprocessing().to_json()
    del values["std"]
    with pytest.raises(SettingsError, match="exactly crop, size, interpolation, mean, std"):
        Preprocessing.from_json(values)


def test_geometry_names_what_decides_the_square_and_nothing_else() -> None:
    base = Preprocessing()
    others = [
        Preprocessing(crop=False),
        Preprocessing(size=224),
        Preprocessing(interpolation="box"),
    ]
    assert len({base.geometry, *(other.geometry for other in others)}) == 4
    assert Preprocessing(mean=(0, 0, 0), std=(1, 1, 1)).geometry == base.geometry


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "box"])
def test_the_square_is_the_crop_resized(interpolation: Any) -> None:
    image = disc((800, 600), (420, 300), (250, 200))
    image.paste(gradient(100, 80), (400, 260))
    settings = Preprocessing(size=96, interpolation=interpolation)
    expected = crop_to_retina(image).resize((96, 96), Image.Resampling[interpolation.upper()])
    difference = np.asarray(prepare_square(image, settings)) - np.asarray(expected, dtype=int)
    inner = difference[3:-3, 3:-3]  # at the rim Pillow's filter sees beyond the box
    assert np.abs(inner).max() <= 1
    assert (inner == 0).mean() > 0.99


def test_without_the_crop_the_whole_picture_is_resized() -> None:
    image = disc((800, 600), (420, 300), (250, 200))
    expected = image.resize((64, 64), Image.Resampling.BILINEAR)
    square = prepare_square(image, Preprocessing(crop=False, size=64))
    assert square.tobytes() == expected.tobytes()


def test_a_squashed_disc_and_a_round_one_become_the_same_square() -> None:
    settings = Preprocessing(size=128)
    round_one = disc((1600, 1200), (800, 600), (500, 500))
    squashed = round_one.resize((600, 600), Image.Resampling.BOX)
    squares = [prepare_square(image, settings) for image in (round_one, squashed)]
    difference = np.asarray(squares[0], dtype=int) - np.asarray(squares[1], dtype=int)
    assert np.abs(difference).mean() < 2


def test_normalise_is_the_formula_channel_by_channel() -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    settings = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    expected = np.moveaxis((values / 255 - [0.1, 0.2, 0.3]) / [0.4, 0.5, 0.6], 2, 0)
    result = normalise(values, settings)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    np.testing.assert_allclose(result, expected, atol=1e-6)
    np.testing.assert_array_equal(normalise(Image.fromarray(values), settings), result)


def test_prepare_goes_from_file_to_array(tmp_path: Path) -> None:
    image = disc((900, 700), (450, 350), (300, 300))
    path = tmp_path / "eye.png"
    path.write_bytes(encoded(image))
    settings = Preprocessing(size=64)
    result = prepare(path, settings)
    assert result.shape == (1, 3, 64, 64)
    np.testing.assert_array_equal(result[0], normalise(prepare_square(image, settings), settings))
    with pytest.raises(MissingFile):
        prepare(tmp_path / "gone.png", settings)


def test_a_jpeg_decoded_at_reduced_scale_gives_nearly_the_same_square(tmp_path: Path) -> None:
    image = disc((2000, 1500), (1000, 750), (700, 700))
    path = tmp_path / "eye.jpg"
    path.write_bytes(encoded(image, "JPEG", quality=95))
    settings = Preprocessing(size=128, mean=(0, 0, 0), std=(1, 1, 1))
    full = normalise(prepare_square(Image.open(path), settings), settings)
    assert np.abs(prepare(path, settings)[0] - full).mean() < 1 / 255
