from pathlib import Path

import pytest
from PIL import Image

from retina.datasets.sources import combine, public_set, read_sources
from retina.errors import DataError


def write_folder(folder: Path, header: str, rows: dict[str, int], colour: int = 90) -> Path:
    """A data folder of one-coloured pictures, named in a table with ``header``."""
    folder.mkdir(parents=True)
    for number, name in enumerate(rows):
        Image.new("RGB", (32, 32), (colour + number, 40, 20)).save(folder / f"{name}.png")
    lines = [header, *(f"{name},{grade}" for name, grade in rows.items())]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders of EyePACS and a plain one, in which patient 10 is another person."""
    return [
        write_folder(tmp_path / "one", "image,level", {"10_left": 0, "10_right": 1}),
        write_folder(tmp_path / "two", "image,level", {"10_left": 2, "11_left": 3}),
        write_folder(tmp_path / "plain", "image_id,grade", {"10_left": 4}),
    ]


def test_each_folder_is_a_source(folders: list[Path]) -> None:
    catalogs = read_sources(folders)
    assert [catalog.name for catalog in catalogs] == ["one", "two", "plain"]
    assert [public_set(catalog) for catalog in catalogs] == ["EyePACS", "EyePACS", ""]
    table, given = combine(catalogs)
    assert given is None
    assert table.index.tolist() == list(range(5))
    assert table["source"].tolist() == ["one", "one", "two", "two", "plain"]
    assert table["grade"].tolist() == [0, 1, 2, 3, 4]


def test_folders_of_one_public_set_share_patients_and_others_do_not(folders: list[Path]) -> None:
    table, _ = combine(read_sources(folders))
    patients = table["patient"].tolist()
    assert patients[0] == patients[1] == patients[2]
    assert len(set(patients)) == 3


def test_a_folder_alone_keeps_its_patients(folders: list[Path]) -> None:
    (catalog,) = read_sources(folders[:1])
    table, _ = combine([catalog])
    assert table.drop(columns=["source", "public_set"]).equals(catalog.table)


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    twins = [
        write_folder(tmp_path / place / "images", "image_id,grade", {"a": 0}) for place in "xyz"
    ]
    names = [catalog.name for catalog in read_sources(twins)]
    assert names == ["images", "images-2", "images-3"]


def test_a_folder_given_twice_is_refused(folders: list[Path]) -> None:
    with pytest.raises(DataError, match="given twice"):
        read_sources([folders[0], folders[0] / ".." / "one"])


def test_the_split_that_one_source_brings_is_its_own(tmp_path: Path) -> None:
    ddr = tmp_path / "ddr"
    ddr.mkdir()
    for part, name in (("train", "a"), ("valid", "b"), ("test", "c")):
        Image.new("RGB", (32, 32), (90, 40, 20)).save(ddr / f"{name}.png")
        (ddr / f"{part}.txt").write_text(f"{name}.png 1\n")
    plain = write_folder(tmp_path / "plain", "image_id,grade", {"d": 0})
    _, given = combine(read_sources([plain, ddr]))
    assert given is not None
    assert given.isna().tolist() == [True, False, False, False]
    assert given.tolist()[1:] == ["train", "validation", "test"]
