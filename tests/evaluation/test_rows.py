from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from retina.datasets.catalog import Catalog, patient_and_eye
from retina.datasets.formats import read_folder
from retina.datasets.splits import write_split
from retina.errors import DataError
from retina.evaluation.rows import (
    Overlap,
    Part,
    choose_rows,
    choose_unseen_rows,
    only_names_known,
    overlap,
)
from retina.models.checkpoint import Checkpoint, load_checkpoint
from retina.models.config import SPLIT_FILE


@pytest.fixture(scope="module")
def checkpoint(checkpoints: Path) -> Checkpoint:
    return load_checkpoint("small", checkpoints)


@pytest.fixture(scope="module")
def catalog(drawn_data: Path) -> Catalog:
    return read_folder(drawn_data)


@pytest.fixture
def without_split(checkpoint: Checkpoint, tmp_path: Path) -> Checkpoint:
    return replace(checkpoint, folder=tmp_path)


def knowing(checkpoint: Checkpoint, folder: Path, catalog: Catalog, parts: list[str]) -> Checkpoint:
    """A checkpoint whose split deals ``parts`` to the first pictures of a catalog."""
    table = catalog.table.iloc[: len(parts)]
    write_split(folder / SPLIT_FILE, table, pd.Series(parts, index=table.index))
    return replace(checkpoint, folder=folder)


@pytest.mark.parametrize(
    ("part", "first", "stop"), [("train", 0, 12), ("validation", 12, 15), ("test", 15, 20)]
)
def test_a_part_is_what_the_checkpoint_says_it_is(
    catalog: Catalog, checkpoint: Checkpoint, part: Part, first: int, stop: int
) -> None:
    rows, warnings = choose_rows(catalog, checkpoint, part)
    assert rows["image_id"].tolist() == catalog.table["image_id"].tolist()[first:stop]
    assert warnings == []


def test_all_of_a_known_folder_warns_with_counts(catalog: Catalog, checkpoint: Checkpoint) -> None:
    rows, (warning,) = choose_rows(catalog, checkpoint, "all")
    assert rows.equals(catalog.table)
    assert "trained on 12 of these 20 pictures" in warning
    assert "chosen on 3" in warning
    assert overlap(checkpoint, rows) == Overlap(12, 3, 0)


def test_a_folder_that_shares_names_alone_is_not_taken_for_the_training_folder(
    catalog: Catalog, checkpoint: Checkpoint, without_split: Checkpoint
) -> None:
    assert only_names_known(catalog, checkpoint) is None
    grades = (catalog.table["grade"] + 1) % 5
    other = replace(catalog, name="elsewhere", table=catalog.table.assign(grade=grades))
    warning = only_names_known(other, checkpoint)
    assert warning is not None
    assert warning.startswith("20 of the 20 pictures of elsewhere have names that small knows")
    assert only_names_known(other, without_split) is None


def test_all_does_not_warn_where_only_test_pictures_are_known(
    catalog: Catalog, checkpoint: Checkpoint
) -> None:
    test = replace(catalog, table=catalog.table.iloc[15:])
    rows, warnings = choose_rows(test, checkpoint, "all")
    assert len(rows) == 5
    assert warnings == []


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_folder_that_the_checkpoint_does_not_know_has_only_all(
    catalog: Catalog, checkpoint: Checkpoint, part: Part
) -> None:
    table = catalog.table.assign(image_id="other-" + catalog.table["image_id"])
    table["patient"] = table["image_id"]
    unknown = replace(catalog, name="elsewhere", table=table)
    with pytest.raises(DataError, match=rf"small .* elsewhere .* {part} part: use --split all"):
        choose_rows(unknown, checkpoint, part)
    rows, warnings = choose_rows(unknown, checkpoint, "all")
    assert len(rows) == 20
    assert warnings == []


def test_a_checkpoint_without_a_split_knows_nothing(
    catalog: Catalog, without_split: Checkpoint
) -> None:
    with pytest.raises(DataError, match="use --split all"):
        choose_rows(catalog, without_split, "test")
    rows, warnings = choose_rows(catalog, without_split, "all")
    assert len(rows) == 20
    assert warnings == []
    assert overlap(without_split, rows) == Overlap(0, 0, 0)


def test_a_damaged_split_is_refused(catalog: Catalog, without_split: Checkpoint) -> None:
    (without_split.folder / SPLIT_FILE).write_text("image_id,part\ndrawn000001,exam\n")
    with pytest.raises(DataError, match="exam"):
        choose_rows(catalog, without_split, "test")


@pytest.fixture
def eyes(catalog: Catalog) -> Catalog:
    """Both eyes of four patients, named as EyePACS names them."""
    names = [f"{patient}_{eye}" for patient in range(1, 5) for eye in ("left", "right")]
    table = catalog.table.iloc[:8].assign(
        image_id=names, patient=[patient_and_eye(name)[0] for name in names]
    )
    return replace(catalog, table=table)


@pytest.mark.parametrize("part", ["test", "all"])
def test_a_test_part_that_shares_patients_says_so(
    eyes: Catalog, checkpoint: Checkpoint, tmp_path: Path, part: Part
) -> None:
    # By picture, as the lab split: patients 1 and 2 have an eye on each side.
    parts = ["train", "test", "test", "validation", "test", "test", "test", "test"]
    leaking = knowing(checkpoint, tmp_path, eyes, parts)
    rows, warnings = choose_rows(eyes, leaking, part)
    assert overlap(leaking, rows).familiar_patients == 2
    assert f"2 of these {len(rows)} pictures belong to a patient" in warnings[-1]


def test_a_split_by_patient_shares_none(
    eyes: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    parts = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    rows, warnings = choose_rows(eyes, knowing(checkpoint, tmp_path, eyes, parts), "test")
    assert len(rows) == 2
    assert warnings == []


def test_models_of_one_split_are_compared_on_its_test_part(
    catalog: Catalog, checkpoint: Checkpoint
) -> None:
    rows, warnings = choose_unseen_rows(catalog, [checkpoint, checkpoint], "test")
    assert rows["image_id"].tolist() == catalog.table["image_id"].tolist()[15:]
    assert warnings == []


def test_models_of_different_splits_are_compared_on_what_neither_has_seen(
    catalog: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    # The other was trained on two test pictures of the first, and tested on two that trained it.
    parts = ["test"] * 2 + ["train"] * 15
    other = knowing(checkpoint, tmp_path, catalog, parts)
    rows, _ = choose_unseen_rows(catalog, [checkpoint, other], "test")
    assert rows["image_id"].tolist() == catalog.table["image_id"].tolist()[17:]


def test_a_model_that_knows_nothing_of_the_folder_is_compared_on_the_others_test_part(
    catalog: Catalog, checkpoint: Checkpoint, without_split: Checkpoint
) -> None:
    rows, _ = choose_unseen_rows(catalog, [without_split, checkpoint], "test")
    assert len(rows) == 5


def test_comparing_on_pictures_that_one_was_trained_on_is_refused(
    catalog: Catalog, checkpoint: Checkpoint, without_split: Checkpoint
) -> None:
    with pytest.raises(DataError, match=r"small on 15 of these 20\)?: use --split test"):
        choose_unseen_rows(catalog, [checkpoint], "all")
    with pytest.raises(DataError, match="use --split test"):
        choose_unseen_rows(catalog, [without_split, checkpoint], "all")
    rows, _ = choose_unseen_rows(catalog, [without_split, without_split], "all")
    assert len(rows) == 20
    with pytest.raises(DataError, match="use --split all"):
        choose_unseen_rows(catalog, [without_split, without_split], "test")
