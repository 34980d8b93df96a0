import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from retina.datasets.catalog import CATALOG_COLUMNS, Catalog, patient_and_eye, read_folder
from retina.datasets.label_tables import LAB_FILES, read_lab_lists
from retina.errors import DataError
from tests.datasets.pictures import table_of, write_pictures, write_table
from tests.shared_data import SHARED_DATA, needs_shared_data


@pytest.mark.parametrize(
    ("image_id", "expected"),
    [
        ("2576_right", ("2576", "right")),
        ("train/10_left", ("10", "left")),
        ("000c1434d8d7", ("000c1434d8d7", "")),
        ("IDRiD_006", ("IDRiD_006", "")),
        ("10_left_copy", ("10_left_copy", "")),
    ],
)
def test_patient_and_eye_come_from_eyepacs_names_only(
    image_id: str, expected: tuple[str, str]
) -> None:
    assert patient_and_eye(image_id) == expected


def test_fingerprint_depends_on_ids_and_grades_and_not_on_order() -> None:
    def fingerprint(grades: dict[str, int]) -> str:
        return Catalog("a", "APTOS", Path(), table_of(grades)).fingerprint

    reference = fingerprint({"a": 0, "b": 4})
    assert fingerprint({"b": 4, "a": 0}) == reference
    assert fingerprint({"a": 0, "b": 3}) != reference
    assert fingerprint({"a": 0, "c": 4}) != reference


def grades(catalog: Catalog) -> dict[str, int]:
    return dict(zip(catalog.table["image_id"], catalog.table["grade"], strict=True))


def counts(catalog: Catalog) -> list[int]:
    found = catalog.table["grade"].value_counts()
    return [int(found.get(grade, 0)) for grade in range(5)]


def write_lab_lists(folder: Path) -> None:
    write_table(folder / "train_img.csv", "1_left\n1_right\n2_left\n")
    write_table(folder / "train_label.csv", "0\n3\n1\n")
    write_table(folder / "test_img.csv", "2_right\n3_left\n")
    write_table(folder / "test_label.csv", "1\n4\n")


def test_eyepacs_names_give_patient_and_eye(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", ["10_left.jpeg", "10_right.jpeg", "stray.jpeg"])
    write_table(tmp_path / "trainLabels.csv", "image,level\n10_right,4\n10_left,0\n11_left,2\n")
    catalog = read_folder(tmp_path)
    table = catalog.table
    assert tuple(table.columns) == CATALOG_COLUMNS
    assert table["grade"].dtype == "int64"
    assert table.drop(columns="path").to_numpy().tolist() == [
        ["10_left", 0, "10", "left"],
        ["10_right", 4, "10", "right"],
    ]
    assert all(Path(path).is_file() for path in table["path"])
    assert (catalog.name, catalog.format) == (tmp_path.name, "EyePACS")
    assert (catalog.labels_without_picture, catalog.pictures_without_label) == (1, 1)
    assert catalog.unusable_rows == 0
    assert catalog.given_parts is None


def test_kaggles_aptos_folder_with_its_other_tables(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["train_images/a.png", "train_images/b.png", "test_images/c.png"])
    write_table(tmp_path / "train.csv", "id_code,diagnosis\na,2\nb,3\n")
    write_table(tmp_path / "test.csv", "id_code\nc\n")
    write_table(tmp_path / "sample_submission.csv", "id_code,diagnosis\nc,0\n")
    catalog = read_folder(tmp_path)
    assert catalog.format == "APTOS"
    assert grades(catalog) == {"a": 2, "b": 3}
    assert catalog.pictures_without_label == 1


def test_tables_of_one_format_are_taken_together(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["train/a.png", "valid/b.png"])
    write_table(tmp_path / "train.csv", "id_code,diagnosis\na,2\n")
    write_table(tmp_path / "valid.csv", "id_code,diagnosis\nb,3\n")
    write_table(tmp_path / "private.csv", "id_code,diagnosis\nx,0\ny,0\n")
    catalog = read_folder(tmp_path)
    assert grades(catalog) == {"a": 2, "b": 3}
    assert catalog.labels_without_picture == 0


def test_two_tables_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "b.png"])
    write_table(tmp_path / "first.csv", "image,level\na,2\nb,1\n")
    write_table(tmp_path / "second.csv", "image,level\na,3\nb,1\n")
    with pytest.raises(DataError, match=r"first\.csv and second\.csv .* 1 pictures, such as a"):
        read_folder(tmp_path)


def test_the_format_that_labels_most_pictures_is_taken(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "b.png"])
    write_table(tmp_path / "a_few.csv", "image,level\na,2\n")
    write_table(tmp_path / "all.csv", "filename,label\na.png,Mild\nb.png,Severe\n")
    assert grades(read_folder(tmp_path)) == {"a": 1, "b": 3}


def test_idrids_column_names_end_in_blanks(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["IDRiD_001.jpg"])
    write_table(tmp_path / "labels.csv", "Image name,Retinopathy grade ,Risk\nIDRiD_001,3,2\n")
    assert grades(read_folder(tmp_path)) == {"IDRiD_001": 3}


def test_a_plain_table_may_name_patient_and_eye(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "b.png", "c.png"])
    text = "image_id,grade,patient,eye\na.png,0,P1,OD\nb.PNG,1,P1,left\nc,2,,\n"
    write_table(tmp_path / "labels.csv", text)
    table = read_folder(tmp_path).table
    assert table["patient"].tolist() == ["P1", "P1", "c"]
    assert table["eye"].tolist() == ["right", "left", ""]


def test_rows_that_cannot_be_used_are_counted_and_dropped(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png", "b.png", "c.png", "d.png"])
    rows = "a,0\nb,7\nc,1\nc,2\nd,3\nd,3\n,1\na.png,0\n"
    write_table(tmp_path / "labels.csv", f"image,level\n{rows}")
    catalog = read_folder(tmp_path)
    assert grades(catalog) == {"a": 0, "d": 3}
    assert catalog.unusable_rows == 4
    assert catalog.pictures_without_label == 2


def test_a_name_that_two_pictures_share_is_not_guessed(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["big/a.png", "small/a.png", "big/b.png"])
    write_table(tmp_path / "labels.csv", "image,level\na,0\nb,1\n")
    catalog = read_folder(tmp_path)
    assert grades(catalog) == {"b": 1}
    assert catalog.unusable_rows == 1
    write_table(tmp_path / "labels.csv", "image,level\na,0\n")
    with pytest.raises(DataError, match=r"share their names, such as big/a\.png and small/a\.png"):
        read_folder(tmp_path)


@pytest.mark.parametrize("folders", [("0", "4"), ("No DR", "Proliferative DR"), ("No_DR", "4")])
def test_class_folders(tmp_path: Path, folders: tuple[str, str]) -> None:
    low, high = folders
    names = [f"{low}/5_left.png", f"{high}/5_right.png", f"{low}/x.png", f"{high}/x.png", "y.png"]
    write_pictures(tmp_path / "train", names)
    catalog = read_folder(tmp_path)
    assert catalog.format == "class folders"
    # The two named x are different pictures and keep their folders.
    assert grades(catalog) == {
        "5_left": 0,
        "5_right": 4,
        f"train/{low}/x": 0,
        f"train/{high}/x": 4,
    }
    patients = dict(zip(catalog.table["image_id"], catalog.table["patient"], strict=True))
    assert patients["5_left"] == patients["5_right"] == "5"
    assert catalog.pictures_without_label == 1


def test_one_class_folder_counts_where_it_holds_all_photographs(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["train/0/a.png", "train/0/b.png"])
    catalog = read_folder(tmp_path)
    assert catalog.format == "class folders"
    assert grades(catalog) == {"a": 0, "b": 0}
    write_pictures(tmp_path, ["train/c.png"])
    with pytest.raises(DataError, match="No labels were recognised"):
        read_folder(tmp_path)


def test_the_labs_lists_give_a_split(tmp_path: Path) -> None:
    names = ["1_left", "1_right", "2_left", "2_right", "3_left"]
    write_pictures(tmp_path / "images", [f"{name}.jpeg" for name in names])
    write_lab_lists(tmp_path)
    write_table(tmp_path / "trainLabels.csv", "image,level\n1_left,0\n1_right,3\n")
    catalog = read_folder(tmp_path)
    assert catalog.format == "lab lists"
    assert grades(catalog) == dict(zip(names, [0, 3, 1, 1, 4], strict=True))
    assert catalog.given_parts is not None
    assert catalog.given_parts.loc[catalog.table.index].tolist() == ["train"] * 3 + ["test"] * 2


def test_the_labs_lists_have_to_match_line_by_line(tmp_path: Path) -> None:
    write_lab_lists(tmp_path)
    write_table(tmp_path / "test_label.csv", "1\n")
    with pytest.raises(DataError, match=r"test_img\.csv has 2 rows and test_label\.csv 1"):
        read_folder(tmp_path)


def test_a_blank_line_shifts_no_label_of_the_labs_lists(tmp_path: Path) -> None:
    write_lab_lists(tmp_path)
    write_table(tmp_path / "train_img.csv", "1_left\n\n2_left\n\n\n")
    lists = read_lab_lists(tmp_path)
    assert lists["image"].tolist() == ["1_left", "", "2_left", "2_right", "3_left"]
    assert lists["grade"].tolist() == [0, 3, 1, 1, 4]


def test_a_folder_without_labels_says_what_was_looked_for(tmp_path: Path) -> None:
    write_pictures(tmp_path / "good", ["a.png"])
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)
    for sought in (
        "image,level",
        "id_code,diagnosis",
        "image name",
        "_gradable",
        "valid.txt",
        LAB_FILES[0],
        "0 to 4",
    ):
        assert sought in str(caught.value)


def test_labels_without_any_picture_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "train.csv", "id_code,diagnosis\na,1\nb,9\n")
    with pytest.raises(DataError, match="1 rows name a picture that is not there, 1 have no"):
        read_folder(tmp_path)


@pytest.mark.parametrize(("written", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_accent_is_the_same_in_both_of_its_forms(
    tmp_path: Path, written: Literal["NFC", "NFD"], on_disk: Literal["NFC", "NFD"]
) -> None:
    name = unicodedata.normalize(on_disk, "\u00e9ric_1")
    write_pictures(tmp_path, [f"{name}.png"])
    row = unicodedata.normalize(written, "\u00e9ric_1")
    write_table(tmp_path / "labels.csv", f"image,level\n{row},2\n")
    assert counts(read_folder(tmp_path)) == [0, 0, 1, 0, 0]


def test_a_column_that_comes_twice_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["a.png"])
    write_table(tmp_path / "labels.csv", "image,level,level\na,0,4\n")
    with pytest.raises(DataError, match="several columns called level"):
        read_folder(tmp_path)


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "layout", "expected", "missing"),
    [
        ("aptos2019", "APTOS", [1805, 370, 999, 193, 295], 0),
        ("eyepacs", "EyePACS", [711, 59, 142, 22, 26], 35126 - 960),
        ("eyepacs400", "EyePACS", [739, 55, 151, 27, 16], 0),
        ("odir", "plain CSV", [4282, 524, 899, 156, 29], 0),
        ("messidor2", "Messidor-2", [1017, 270, 347, 75, 35], 0),
        ("idrid_camera", "IDRiD", [4, 1, 4, 0, 1], 0),
    ],
)
def test_the_real_folders(name: str, layout: str, expected: list[int], missing: int) -> None:
    catalog = read_folder(SHARED_DATA / name)
    assert (catalog.format, counts(catalog)) == (layout, expected)
    assert catalog.labels_without_picture == missing
    assert catalog.pictures_without_label == catalog.unusable_rows == 0


@needs_shared_data
def test_the_labs_real_lists_lose_no_first_row() -> None:
    lists = read_lab_lists(SHARED_DATA / "nctu_lab3")
    expected = {"train": [20656, 1955, 4210, 698, 581], "test": [5154, 488, 1082, 175, 127]}
    for part, counted in expected.items():
        grades = lists.loc[lists["part"] == part, "grade"]
        assert grades.value_counts().sort_index().tolist() == counted
    assert len(lists) == 28_100 + 7_026
