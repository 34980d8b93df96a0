from pathlib import Path

import pytest

from retina.datasets.catalog import read_folder
from retina.datasets.folder import scan
from retina.datasets.label_tables import MARKED_UNGRADABLE, NO_GRADE
from retina.datasets.layouts import (
    AMBIGUOUS,
    CONTRADICTED,
    NO_NAME,
    NO_PICTURE,
    REPEATED,
    find_layout,
)
from retina.datasets.splits import split
from retina.errors import DataError
from tests.datasets.layouts import WRITERS, write_ddr, write_messidor2
from tests.datasets.pictures import write_pictures, write_table


def faults(folder: Path) -> dict[str, str]:
    layout = find_layout(scan(folder))
    assert layout is not None
    return dict(zip(layout.rows["image_id"], layout.rows["fault"], strict=True))


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_is_recognised(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path)
    catalog = read_folder(tmp_path)
    assert catalog.format == name.partition(",")[0]
    assert sorted(catalog.table["grade"]) == [0, 2, 4]
    assert all(Path(path).is_file() for path in catalog.table["path"])


def test_idrids_two_sets_share_names_and_are_told_apart(tmp_path: Path) -> None:
    WRITERS["IDRiD"](tmp_path)
    table = read_folder(tmp_path).table
    folder = "B. Disease Grading/1. Original Images"
    assert dict(zip(table["image_id"], table["grade"], strict=True)) == {
        f"{folder}/a. Training Set/IDRiD_001": 0,
        "IDRiD_002": 2,
        f"{folder}/b. Testing Set/IDRiD_001": 4,
    }
    assert table["patient"].is_unique


def test_messidors_pairs_give_the_patients(tmp_path: Path) -> None:
    write_messidor2(tmp_path)
    catalog = read_folder(tmp_path)
    assert catalog.table[["patient", "eye"]].to_numpy().tolist() == [
        ["20051020_1_0100_PP", "left"],
        ["20051020_1_0100_PP", "right"],
        ["IM003", "left"],
    ]
    assert faults(tmp_path)["IM004"] == MARKED_UNGRADABLE
    assert (catalog.unusable_rows, catalog.labels_without_picture) == (1, 0)


def test_messidor_without_pairs_has_a_patient_a_picture(tmp_path: Path) -> None:
    write_messidor2(tmp_path, pairs=False)
    assert read_folder(tmp_path).table["patient"].is_unique


def test_messidor_with_the_columns_of_its_prepared_copy(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "b.png"])
    header = "id_code,diagnosis,adjudicated_dme,adjudicated_gradable"
    write_table(tmp_path / "messidor_data.csv", f"{header}\na.png,3,0,1\nb.png,0,0,0\n")
    catalog = read_folder(tmp_path)
    assert (catalog.format, catalog.table["grade"].tolist()) == ("Messidor-2", [3])


def test_ddrs_lists_give_its_parts_and_tell_pictures_of_one_name_apart(tmp_path: Path) -> None:
    write_ddr(tmp_path)
    catalog = read_folder(tmp_path)
    assert catalog.table["image_id"].tolist() == ["007-1-000", "007-3-000", "007-4-000"]
    assert Path(catalog.table["path"][0]).parent.parent.name == "DR_grading"
    assert catalog.given_parts is not None
    assert catalog.given_parts.tolist() == ["train", "validation", "test"]
    assert split(catalog.table, given_parts=catalog.given_parts).tolist() == [
        "train",
        "validation",
        "test",
    ]
    assert faults(tmp_path)["007-2-000"] == MARKED_UNGRADABLE
    assert catalog.unusable_rows == 1


def test_one_of_ddrs_lists_alone_is_no_split(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["test/a.jpg", "test/b.jpg"])
    write_table(tmp_path / "test.txt", "a.jpg 0\nb.jpg 3\n")
    write_table(tmp_path / "train.txt", "epoch 1\nloss 0.3\n")
    catalog = read_folder(tmp_path)
    assert (catalog.format, catalog.given_parts) == ("DDR", None)


def test_a_broken_line_in_a_list_is_quoted(tmp_path: Path) -> None:
    write_ddr(tmp_path)
    write_table(tmp_path / "DR_grading/train.txt", "007-1-000.jpg 0\n007-2-000.jpg\n")
    with pytest.raises(DataError, match=r"train\.txt has a line .* '007-2-000\.jpg'"):
        read_folder(tmp_path)


def test_every_row_that_labels_no_picture_says_why(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "b.png", "c.png", "big/d.png", "small/d.png"])
    rows = "a,0\na.png,0\nb,1\nb.jpg,2\nc,7\nd,3\ngone,4\n,1\n"
    write_table(tmp_path / "labels.csv", f"image,level\n{rows}")
    layout = find_layout(scan(tmp_path))
    assert layout is not None
    assert layout.rows["fault"].tolist() == [
        "",
        REPEATED,
        CONTRADICTED,
        CONTRADICTED,
        NO_GRADE,
        AMBIGUOUS,
        NO_PICTURE,
        NO_NAME,
    ]
    assert layout.rows["written"].tolist() == ["0", "0", "1", "2", "7", "3", "4", "1"]


def test_nothing_that_labels_is_no_layout(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png"])
    assert find_layout(scan(tmp_path)) is None
