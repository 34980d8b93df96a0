from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from retina.datasets.catalog import Catalog, patient_and_eye, read_folder
from retina.datasets.sources import combine, public_set, read_sources
from retina.datasets.splits import write_split
from retina.errors import DataError
from retina.evaluation.held_out import (
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
    assert only_names_known([catalog], checkpoint) == []
    grades = (catalog.table["grade"] + 1) % 5
    other = replace(catalog, name="elsewhere", table=catalog.table.assign(grade=grades))
    (warning,) = only_names_known([other], checkpoint)
    assert warning.startswith("20 of the 20 pictures of elsewhere have names that small knows")
    assert only_names_known([other], without_split) == []


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


def test_the_other_eye_of_a_patient_is_known_where_no_picture_is(
    eyes: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    left = eyes.table["image_id"].str.endswith("left")
    trained = replace(eyes, table=eyes.table[left])
    of_left = knowing(checkpoint, tmp_path, trained, ["train", "validation", "test", "test"])
    right = replace(eyes, name="elsewhere", table=eyes.table[~left])
    rows, (warning,) = choose_rows([right], of_left, "all")
    assert overlap(of_left, rows) == Overlap(0, 0, 2)
    assert warning.startswith("2 of these 4 pictures belong to a patient")


def test_a_patient_is_whom_the_table_names(
    eyes: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    knowing_one = knowing(checkpoint, tmp_path, eyes, ["train"])  # 1_left
    names = ["fellow", "again", "1_right"]
    table = eyes.table.iloc[:3].assign(image_id=names, patient=["1", "1", "somebody"])
    rows, _ = choose_rows([replace(eyes, table=table)], knowing_one, "all")
    assert overlap(knowing_one, rows) == Overlap(0, 0, 2)


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
    assert only_names_known(swapped, trained_on_two) == []


def test_the_name_tells_a_folder_whose_labels_changed(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    plain = hospitals[2]
    changed = replace(plain, table=plain.table.assign(grade=0))
    rows, _ = choose_rows([changed], trained_on_two, "test")
    assert len(rows) == 6
    (warning,) = only_names_known([changed], trained_on_two)
    assert warning.startswith(
        "8 of the 8 pictures of plain have names that checkpoint knows from plain"
    )


def test_another_folder_of_a_public_set_may_hold_familiar_patients(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    one, two, plain = hospitals
    rows, _ = choose_rows([one, two, plain], trained_on_two, "all")
    of_two = rows[rows["source"] == "two"]
    assert set(of_two["known_as"].isna()) == {True}
    assert overlap(trained_on_two, of_two) == Overlap(0, 0, 6)


def test_the_pictures_names_tell_a_folder_of_the_same_public_set(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    two = hospitals[1]  # all of its names are in plain too, which is not of EyePACS
    rows, _ = choose_rows([two], trained_on_two, "test")
    assert rows["image_id"].tolist() == ["4_left", "4_right"]
    (warning,) = only_names_known([two], trained_on_two)
    assert "checkpoint knows from one, but names and grades together" in warning


def named(catalog: Catalog, names: list[str]) -> Catalog:
    """A folder called ``new`` with the first pictures of a catalog under other names."""
    table = catalog.table.iloc[: len(names)]
    patients = [patient_and_eye(name)[0] for name in names]
    return replace(catalog, name="new", table=table.assign(image_id=names, patient=patients))


def test_most_of_the_pictures_names_tell_a_folder_of_no_public_set(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    new = named(hospitals[2], ["1_left", "1_right", "2_left", "9_left", "9_right"])
    rows, _ = choose_rows([new], trained_on_two, "test")
    assert rows["image_id"].tolist() == ["2_left"]


def test_a_folder_with_some_of_the_names_of_a_source_is_another_folder(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    new = named(hospitals[2], ["1_left", "1_right", "8_left", "8_right"])
    with pytest.raises(DataError, match="use --split all"):
        choose_rows([new], trained_on_two, "test")
    rows, warnings = choose_rows([new], trained_on_two, "all")
    assert warnings == []
    assert overlap(trained_on_two, rows) == Overlap(0, 0, 0)
    (warning,) = only_names_known([new], trained_on_two)
    assert warning.startswith("2 of the 4 pictures of new have names that checkpoint knows from")
    assert "they are taken for other pictures" in warning


def test_a_folder_of_a_public_set_is_no_source_of_another_kind(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    two = hospitals[1]
    data = trained_on_two.config.data
    plain_twice = replace(
        data, sources=tuple(replace(each, public_set="") for each in data.sources)
    )
    strange = replace(trained_on_two, config=replace(trained_on_two.config, data=plain_twice))
    rows, warnings = choose_rows([two], strange, "all")
    assert (len(rows), warnings) == (8, [])
    assert overlap(strange, rows) == Overlap(0, 0, 0)
    assert "8 of the 8 pictures of two have names" in only_names_known([two], strange)[0]


def test_a_source_is_one_folder_and_the_likest(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    one, two, _ = hospitals
    rows, _ = choose_rows([two, one], trained_on_two, "test")
    assert rows["source"].unique().tolist() == ["one"]
    changed = replace(one, table=one.table.assign(grade=0))  # known by its name alone
    rows, _ = choose_rows([two, changed], trained_on_two, "test")
    assert rows["source"].unique().tolist() == ["one"]


def test_models_are_compared_on_the_test_parts_of_their_own_sources(
    hospitals: list[Catalog], trained_on_two: Checkpoint
) -> None:
    one, _, plain = hospitals
    rows, warnings = choose_unseen_rows([one, plain], [trained_on_two, trained_on_two], "test")
    assert rows["source"].tolist() == ["one"] * 2 + ["plain"] * 6
    assert warnings == []
    with pytest.raises(DataError, match="checkpoint on 8, checkpoint on 8 of these 16"):
        choose_unseen_rows([one, plain], [trained_on_two, trained_on_two], "all")


def test_a_model_of_one_source_is_asked_about_several_folders(
    catalog: Catalog, checkpoint: Checkpoint, hospitals: list[Catalog]
) -> None:
    rows, _ = choose_rows([hospitals[0], catalog], checkpoint, "test")
    assert rows["source"].unique().tolist() == [catalog.name]
    assert len(rows) == 5


def test_a_model_of_one_source_knows_the_folder_of_its_name(
    hospitals: list[Catalog], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    one, two, _ = hospitals
    folder = tmp_path / "of-one"
    folder.mkdir()
    data = replace(checkpoint.config.data, name="one")
    of_one = replace(checkpoint, config=replace(checkpoint.config, data=data))
    rows, _ = choose_rows([two, one], knowing(of_one, folder, one, ["test"] * 8), "test")
    assert rows["source"].unique().tolist() == ["one"]
