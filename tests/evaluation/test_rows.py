from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from retina.datasets.catalog import Catalog, patient_and_eye
from retina.datasets.formats import read_folder
from retina.datasets.sources import combine, public_set, read_sources
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
from retina.models.config import SPLIT_FILE, DataSource
from tests.datasets.test_sources import write_folder


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
    rows, warnings = choose_rows([catalog], checkpoint, part)
    assert rows["image_id"].tolist() == catalog.table["image_id"].tolist()[first:stop]
    assert warnings == []


def test_all_of_a_known_folder_warns_with_counts(catalog: Catalog, checkpoint: Checkpoint) -> None:
    rows, (warning,) = choose_rows([catalog], checkpoint, "all")
    assert rows[catalog.table.columns].equals(catalog.table)
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
    rows, warnings = choose_rows([test], checkpoint, "all")
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
        choose_rows([unknown], checkpoint, part)
    rows, warnings = choose_rows([unknown], checkpoint, "all")
    assert len(rows) == 20
    assert warnings == []


def test_a_checkpoint_without_a_split_knows_nothing(
    catalog: Catalog, without_split: Checkpoint
) -> None:
    with pytest.raises(DataError, match="use --split all"):
        choose_rows([catalog], without_split, "test")
    rows, warnings = choose_rows([catalog], without_split, "all")
    assert len(rows) == 20
    assert warnings == []
    assert overlap(without_split, rows) == Overlap(0, 0, 0)


def test_a_damaged_split_is_refused(catalog: Catalog, without_split: Checkpoint) -> None:
    (without_split.folder / SPLIT_FILE).write_text("image_id,part\ndrawn000001,exam\n")
    with pytest.raises(DataError, match="exam"):
        choose_rows([catalog], without_split, "test")


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
    rows, warnings = choose_rows([eyes], leaking, part)
    assert overlap(leaking, rows).familiar_patients == 2
    assert f"2 of these {len(rows)} pictures belong to a patient" in warnings[-1]


def test_a_split_by_patient_shares_none(
    eyes: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    parts = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    rows, warnings = choose_rows([eyes], knowing(checkpoint, tmp_path, eyes, parts), "test")
    assert len(rows) == 2
    assert warnings == []


def test_models_of_one_split_are_compared_on_its_test_part(
    catalog: Catalog, checkpoint: Checkpoint
) -> None:
    rows, warnings = choose_unseen_rows([catalog], [checkpoint, checkpoint], "test")
    assert rows["image_id"].tolist() == catalog.table["image_id"].tolist()[15:]
    assert warnings == []


def test_models_of_different_splits_are_compared_on_what_neither_has_seen(
    catalog: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    # The other was trained on two test pictures of the first, and tested on two that trained it.
    parts = ["test"] * 2 + ["train"] * 15
    other = knowing(checkpoint, tmp_path, catalog, parts)
    rows, _ = choose_unseen_rows([catalog], [checkpoint, other], "test")
    assert rows["image_id"].tolist() == catalog.table["image_id"].tolist()[17:]


def test_a_model_that_knows_nothing_of_the_folder_is_compared_on_the_others_test_part(
    catalog: Catalog, checkpoint: Checkpoint, without_split: Checkpoint
) -> None:
    rows, _ = choose_unseen_rows([catalog], [without_split, checkpoint], "test")
    assert len(rows) == 5


def test_comparing_on_pictures_that_one_was_trained_on_is_refused(
    catalog: Catalog, checkpoint: Checkpoint, without_split: Checkpoint
) -> None:
    with pytest.raises(DataError, match=r"small on 15 of these 20\)?: use --split test"):
        choose_unseen_rows([catalog], [checkpoint], "all")
    with pytest.raises(DataError, match="use --split test"):
        choose_unseen_rows([catalog], [without_split, checkpoint], "all")
    rows, _ = choose_unseen_rows([catalog], [without_split, without_split], "all")
    assert len(rows) == 20
    with pytest.raises(DataError, match="use --split all"):
        choose_unseen_rows([catalog], [without_split, without_split], "test")


@pytest.fixture
def hospitals(tmp_path: Path) -> list[Catalog]:
    """Three folders that all name photographs of patients 1 to 4; two are of EyePACS."""
    names = [f"{patient}_{eye}" for patient in range(1, 5) for eye in ("left", "right")]
    headers = {"one": "image,level", "two": "image,level", "plain": "image_id,grade"}
    return read_sources(
        [
            write_folder(
                tmp_path / folder,
                header,
                {name: (number + place) % 5 for number, name in enumerate(names)},
                colour=90 + 20 * place,
            )
            for place, (folder, header) in enumerate(headers.items())
        ]
    )


@pytest.fixture
def trained_on_two(hospitals: list[Catalog], checkpoint: Checkpoint, tmp_path: Path) -> Checkpoint:
    """It knows ``one``, with patients 1 to 3 in training, and ``plain``, with patient 1."""
    one, _, plain = hospitals
    table, _ = combine([one, plain])
    parts = ["train"] * 6 + ["test"] * 2 + ["train"] * 2 + ["test"] * 6
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    write_split(folder / SPLIT_FILE, table, pd.Series(parts, index=table.index))
    sources = tuple(
        DataSource(each.name, 8, each.fingerprint, "terms", public_set=public_set(each))
        for each in (one, plain)
    )
    data = DataSource("one + plain", 16, "0" * 64, "terms", sources=sources)
    return replace(checkpoint, folder=folder, config=replace(checkpoint.config, data=data))


def test_a_name_is_looked_up_in_its_own_source(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    one, _, plain = hospitals
    rows, warnings = choose_rows([one, plain], trained_on_two, "test")
    assert rows["source"].tolist() == ["one"] * 2 + ["plain"] * 6
    assert warnings == []
    alone, _ = choose_rows([plain], trained_on_two, "test")
    assert alone["image_id"].tolist() == plain.table["image_id"].tolist()[2:]
    seen, (warning,) = choose_rows([plain], trained_on_two, "all")
    assert overlap(trained_on_two, seen) == Overlap(2, 0, 0)
    assert "trained on 2 of these 8" in warning


def test_the_labels_tell_a_folder_that_was_renamed(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    one, _, plain = hospitals
    swapped = [replace(one, name="plain"), replace(plain, name="one")]
    rows, _ = choose_rows(swapped, trained_on_two, "test")
    assert rows["source"].tolist() == ["plain"] * 2 + ["one"] * 6
    assert [only_names_known(each, trained_on_two) for each in swapped] == [None, None]


def test_the_name_tells_a_folder_whose_labels_changed(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    plain = hospitals[2]
    changed = replace(plain, table=plain.table.assign(grade=0))
    rows, _ = choose_rows([changed], trained_on_two, "test")
    assert len(rows) == 6
    assert "have names that" in str(only_names_known(changed, trained_on_two))


def test_another_folder_of_a_public_set_may_hold_familiar_patients(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    one, two, plain = hospitals
    rows, _ = choose_rows([one, two, plain], trained_on_two, "all")
    of_two = rows[rows["source"] == "two"]
    assert set(of_two["known_as"].isna()) == {True}
    assert overlap(trained_on_two, of_two) == Overlap(0, 0, 6)


def test_a_folder_that_is_none_of_the_sources_has_only_all(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    plain = hospitals[2]
    table = plain.table.assign(image_id="other-" + plain.table["image_id"])
    with pytest.raises(DataError, match="use --split all"):
        choose_rows([replace(plain, name="new", table=table)], trained_on_two, "test")


def test_a_model_of_one_source_is_asked_about_several_folders(
    catalog: Catalog, checkpoint: Checkpoint, hospitals: list[Catalog]
) -> None:
    rows, _ = choose_rows([hospitals[0], catalog], checkpoint, "test")
    assert rows["source"].unique().tolist() == [catalog.name]
    assert len(rows) == 5
