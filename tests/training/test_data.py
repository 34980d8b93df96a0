import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retina.datasets.catalog import read_folder
from retina.datasets.synthetic import write_synthetic
from retina.errors import DataError
from retina.images.prepare import Preprocessing
from retina.training import data as module
from retina.training.augmentation import LabAugmentation
from retina.training.data import SplitData, check_split, read_split_data, refuse_leaks
from tests.training.runs import PICTURES


def test_a_missing_folder_is_refused_with_what_could_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.*EyePACS.*APTOS.*--data synthetic"):
        check_split([str(tmp_path / "nowhere")])
    check_split([str(tmp_path)])
    check_split(["synthetic"])


def test_every_picture_is_in_one_part(parts: SplitData) -> None:
    ids = [set(parts.rows(part)["image_id"]) for part in ("train", "validation", "test")]
    assert [len(part) for part in ids] == [42, 6, 12]
    assert len(set.union(*ids)) == PICTURES == parts.source.rows
    assert parts.source.shared_patients == 0
    refuse_leaks(parts)


def test_the_seed_decides_the_split(photographs: Path, parts: SplitData) -> None:
    again, other = (read_split_data([str(photographs)], seed) for seed in (0, 1))
    assert again.table.equals(parts.table)
    assert not other.table["part"].equals(parts.table["part"])
    assert other.source == again.source


def test_the_remarks_count_the_parts_by_grade(parts: SplitData) -> None:
    grades = parts.rows("train")["grade"]
    counts = "/".join(str(list(grades).count(grade)) for grade in range(5))
    assert f"train: 42 photographs; grades 0/1/2/3/4: {counts}" in parts.remarks


def test_what_is_left_out_is_said(photographs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    shutil.copytree(photographs, folder)
    table = pd.read_csv(folder / "train.csv")
    names = table.groupby("diagnosis")["id_code"].apply(list)
    pictures = folder / "images"
    for twin, original in ((names[0][0], names[0][1]), (names[1][0], names[2][0])):
        shutil.copy(pictures / f"{original}.jpg", pictures / f"{twin}.jpg")
    (pictures / f"{names[3][0]}.jpg").write_bytes(b"no picture")
    (pictures / f"{names[4][0]}.jpg").unlink()
    parts = read_split_data([str(folder)], 0)
    text = "\n".join(parts.remarks)
    assert "labels without a photograph: 1" in text
    assert "unreadable photographs: 1. " in text
    assert "identical photographs: 4 in 2 groups, 1 of which have conflicting grades" in text
    assert len(parts.table) == parts.source.rows == PICTURES - 1 - 1 - 1 - 2


def test_a_split_of_eyes_and_not_patients_is_refused_or_called_too_good(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the lab's lists are: every patient's other eye may be in another part.
    catalog = read_folder(photographs)
    table = catalog.table.assign(patient=[str(row // 2) for row in catalog.table.index])
    given = pd.Series(["train", "test"] * (PICTURES // 2), index=table.index)
    mixed = replace(catalog, table=table, given_parts=given, format="lab lists")
    monkeypatch.setattr(module, "read_sources", lambda _: [mixed])
    parts = read_split_data([str(photographs)], 0)
    assert any(
        remark.startswith("100% of the test photographs") and "too optimistic" in remark
        for remark in parts.remarks
    )
    assert set(parts.rows("test").index) == set(given[given == "test"].index)
    assert "Kaggle" in parts.source.terms
    assert parts.source.shared_patients == 1
    with pytest.raises(DataError, match=r"100% of its test photographs .* --allow-leaks"):
        refuse_leaks(parts)


def test_drawn_photographs_have_no_terms(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = replace(read_folder(photographs), name="synthetic", format="synthetic")
    monkeypatch.setattr(module, "read_sources", lambda names: [catalog for _ in names])
    source = read_split_data(["synthetic"], 0).source
    assert (source.name, source.fingerprint) == ("synthetic", catalog.fingerprint)
    assert "no terms" in source.terms


def test_a_folder_too_small_to_split_is_refused(tmp_path: Path) -> None:
    for grade in range(2):
        (tmp_path / str(grade)).mkdir()
        Image.new("RGB", (64, 64), (90 + grade, 40, 20)).save(tmp_path / str(grade) / "eye.png")
    with pytest.raises(DataError, match="too few to split"):
        read_split_data([str(tmp_path)], 0)


def test_the_normalisation_is_the_training_parts_own(parts: SplitData) -> None:
    settings = parts.preprocessing(32)
    plain = Preprocessing(size=32)
    squares = np.stack([parts.cache.square(path, plain) for path in parts.rows("train")["path"]])
    np.testing.assert_allclose(settings.mean, squares.mean((0, 1, 2)) / 255)
    np.testing.assert_allclose(settings.std, squares.std((0, 1, 2)) / 255)
    others = parts.table["part"].replace({"train": "test", "test": "train"})
    swapped = replace(parts, table=parts.table.assign(part=others))
    assert swapped.preprocessing(32).mean != settings.mean


def test_without_normalisation_pixels_are_scaled_to_one(parts: SplitData) -> None:
    settings = parts.preprocessing(32, normalisation=False)
    assert (settings.size, settings.mean, settings.std) == (32, (0, 0, 0), (1, 1, 1))
    square, _ = parts.dataset("validation", settings)[0]
    assert 0 <= float(square.min()) < 0.2 < float(square.max()) <= 1


def test_a_picture_that_vanished_meanwhile_is_named(photographs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    shutil.copytree(photographs, folder)
    parts = read_split_data([str(folder)], 0)
    lost = Path(parts.table["path"].iloc[0])
    lost.write_bytes(b"no picture")
    with pytest.raises(DataError, match=f"{lost.name}.*start again"):
        parts.preprocessing(32)


def test_only_the_set_with_an_augmentation_changes_its_pictures(parts: SplitData) -> None:
    settings = parts.preprocessing(32)
    plain = parts.dataset("train", settings)
    changed = parts.dataset("train", settings, LabAugmentation(), seed=3)
    assert plain.grades == changed.grades == parts.rows("train")["grade"].tolist()
    assert (plain[0, 0][0] == plain[0, 1][0]).all()
    assert (changed[0, 0][0] != changed[0, 1][0]).any()
    assert (changed[0, 1][0] == changed[0, 1][0]).all()


@pytest.fixture
def hospitals(photographs: Path, tmp_path: Path) -> list[str]:
    """Two sources: the drawn photographs, and others with the same names of another patient.

    The second holds a photograph that is identical to one of the first, and one that is nearly so.
    """
    other = tmp_path / "other"
    write_synthetic(other, count=40, size=96, seed=1)
    first = read_folder(photographs).table
    for place in (0, 1):
        path = Path(first["path"].iloc[place])
        target = other / "images" / path.name
        shutil.copy(path, target)
        if place:
            with Image.open(path) as picture:
                picture.resize((picture.width - 4, picture.height - 4)).save(target, quality=70)
    table = pd.read_csv(other / "train.csv").set_index("id_code")
    for row in (0, 1):
        table.loc[first["image_id"].iloc[row], "diagnosis"] = first["grade"].iloc[row]
    table.reset_index().to_csv(other / "labels.csv", index=False)
    (other / "train.csv").unlink()
    return [str(photographs), str(other)]


def test_several_folders_are_sources_of_one_split(hospitals: list[str]) -> None:
    parts = read_split_data(hospitals, 0)
    drawn, other = (parts.table[parts.table["source"] == name] for name in ("drawn", "other"))
    assert (len(drawn), len(other)) == (PICTURES, 39)  # the identical one is kept once
    assert (other["part"] == "train").mean() == pytest.approx(0.7, abs=0.1)
    assert [source.name for source in parts.source.sources] == ["drawn", "other"]
    assert [source.rows for source in parts.source.sources] == [PICTURES, 39]
    assert parts.source.rows == PICTURES + 39
    assert any("of drawn, " in remark for remark in parts.remarks)
    dataset = parts.dataset("train", Preprocessing(size=32))
    assert dataset.sources == parts.rows("train")["source"].tolist()


def test_what_looks_alike_lies_in_one_part_across_sources(hospitals: list[str]) -> None:
    table = read_split_data(hospitals, 0).table
    name = read_folder(hospitals[0]).table["image_id"].iloc[1]
    twins = table[table["image_id"] == name]
    assert twins["source"].tolist() == ["drawn", "other"]
    assert twins["part"].nunique() == 1


def test_folders_of_one_public_set_count_as_one_hospital(hospitals: list[str]) -> None:
    parts = read_split_data(hospitals, 0)
    assert parts.hospitals == (("drawn", "other"),)  # both in the layout of APTOS


def test_a_source_can_be_left_out(hospitals: list[str]) -> None:
    parts = read_split_data(hospitals, 0)
    left = parts.without(["drawn"])
    assert set(left.table["source"]) == {"other"}
    assert left.source == replace(parts.source.sources[1], public_set="")  # one folder, as before
    assert left.table["part"].equals(parts.table.loc[left.table.index, "part"])
