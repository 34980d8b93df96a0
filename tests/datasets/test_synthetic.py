import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from retina.datasets import synthetic
from retina.datasets.synthetic import (
    GRADE_SHARES,
    draw_fundus,
    read_data,
    synthetic_catalog,
    write_synthetic,
)
from retina.errors import DataError, SettingsError
from retina.images.field_of_view import find_retina
from retina.images.quality import assess_quality
from tests.drawing.eyes import SEEDS, eye_and_camera

COUNT = 200


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "set"
    write_synthetic(folder, count=COUNT, size=48, seed=3)
    return folder


def pixels(image: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64)


def test_the_same_arguments_draw_the_same_pixels() -> None:
    first, again, other = (draw_fundus(3, seed, 96) for seed in (5, 5, 6))
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_the_grade_changes_nothing_but_the_lesions() -> None:
    for seed in SEEDS:
        healthy, mild, severe = (pixels(draw_fundus(grade, seed, 128)) for grade in (0, 1, 3))
        changed = [(np.abs(ill - healthy).max(axis=2) > 8).mean() for ill in (mild, severe)]
        assert 0 < changed[0] < 0.03
        assert changed[0] < changed[1] < 0.3


def test_another_size_is_another_resolution_of_the_same_picture() -> None:
    for grade, seed in ((0, 1), (3, 2), (4, 3)):
        large, small = draw_fundus(grade, seed, 384), draw_fundus(grade, seed, 192)
        reduced = large.resize(small.size, Image.Resampling.BOX)
        assert np.abs(pixels(reduced) - pixels(small)).mean() < 3
        assert (
            np.abs(
                pixels(reduced) - pixels(draw_fundus(grade, seed + 9, 192).resize(small.size))
            ).mean()
            > 10
        )


def test_the_retina_is_found_where_it_was_drawn() -> None:
    size = 160
    for seed in range(20):
        _, camera = eye_and_camera(seed)
        picture = draw_fundus(seed % 5, seed, size)
        retina = find_retina(picture)
        half_width, half_height = camera.radius * size, min(camera.radius, 0.5) * size
        wanted = (
            picture.width / 2 - half_width,
            size / 2 - half_height,
            picture.width / 2 + half_width,
            size / 2 + half_height,
        )
        assert retina.found, seed
        assert np.abs(np.subtract(retina.box, wanted)).max() <= 0.05 * size, seed


def test_the_gate_takes_drawn_photographs() -> None:
    verdicts = [
        assess_quality(draw_fundus(seed % 5, 500 + seed, 160)).verdict for seed in range(30)
    ]
    assert "reject" not in verdicts
    assert verdicts.count("good") > 20


def kappa_from_colour(colours: npt.NDArray[np.float64], grades: "pd.Series[int]") -> float:
    guess = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    guesses = cross_val_predict(guess, colours, grades, cv=5)
    return float(cohen_kappa_score(grades, guesses, weights="quadratic"))


def test_the_colour_does_not_tell_the_grade(drawn: Path) -> None:
    table = pd.read_csv(drawn / "train.csv")
    files = [drawn / "images" / f"{name}.jpg" for name in table["id_code"]]
    colours = []
    for file in files:
        with Image.open(file) as picture:
            box = find_retina(picture).box
            colours.append(pixels(picture.crop(box)).mean(axis=(0, 1)))
    means = np.array(colours)
    assert kappa_from_colour(means, table["diagnosis"]) < 0.2
    leaking = means + 20 * table["diagnosis"].to_numpy()[:, None] * np.array([0, 1, 0])
    assert kappa_from_colour(leaking, table["diagnosis"]) > 0.2


def test_a_set_has_kaggles_layout_and_the_stated_grades(drawn: Path) -> None:
    table = pd.read_csv(drawn / "train.csv")
    assert list(table.columns) == ["id_code", "diagnosis"]
    assert sorted(path.stem for path in (drawn / "images").iterdir()) == list(table["id_code"])
    shares = table["diagnosis"].value_counts(normalize=True).sort_index()
    assert shares.to_numpy() == pytest.approx(GRADE_SHARES, abs=1 / COUNT)
    assert [path.name for path in drawn.parent.iterdir()] == ["set"]


def test_a_set_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(grades: object, size: int, seed: int, path: str) -> None:
        Path(path).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic, "_draw_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_synthetic(tmp_path / "set", count=3, size=32)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        write_synthetic(tmp_path, count=3, size=32)
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_is_drawn_once_into_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path))
    first = synthetic_catalog(count=10, size=32)
    assert (first.name, first.format) == ("synthetic", "synthetic")
    assert first.root.is_relative_to(tmp_path)
    assert len(first.table) == 10
    monkeypatch.setattr(synthetic, "draw_fundus", None)
    assert synthetic_catalog(count=10, size=32).fingerprint == first.fingerprint


def test_data_is_a_folder_or_drawn(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path))
    monkeypatch.setattr(
        synthetic, "write_synthetic", lambda folder, *_: shutil.copytree(drawn, folder)
    )
    assert len(read_data("synthetic").table) == COUNT
    assert read_data(drawn).name == drawn.name
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        read_data(tmp_path / "empty")


def test_another_seed_is_another_set(tmp_path: Path) -> None:
    first, second = (synthetic_catalog(tmp_path, 6, 32, seed).table["path"] for seed in (0, 1))
    files = {Path(path).read_bytes() for path in [*first, *second]}
    assert len(files) == 12


@pytest.mark.parametrize(
    ("grade", "seed", "size"), [(5, 0, 64), (-1, 0, 64), (0, -1, 64), (0, 0, 8)]
)
def test_what_cannot_be_drawn_is_refused(grade: int, seed: int, size: int) -> None:
    with pytest.raises(SettingsError, match="a fundus is drawn with"):
        draw_fundus(grade, seed, size)


def test_a_set_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not 0"):
        write_synthetic(tmp_path / "set", count=0)
