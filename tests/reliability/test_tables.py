"""Tables of labels that are not as they should be: what can be read is, the rest is told."""

from pathlib import Path

import pytest

from retina.datasets.catalog import read_folder
from retina.errors import DataError
from tests.cli.shell import retina
from tests.reliability.measured import LIMIT_MIB, measured, needs_proc

Shell = pytest.CaptureFixture[str]

NAMES = [f"{number}_{eye}" for number in range(1, 4) for eye in ("left", "right")]
PLAIN = "image,level\n" + "".join(f"{name},{place % 5}\n" for place, name in enumerate(NAMES))
GRADES = [place % 5 for place, _ in enumerate(NAMES)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / f"{name}.jpg").touch()
    return tmp_path


def test_the_table_is_read_whatever_its_form(folder: Path) -> None:
    for data in (
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r\n", 3).encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace("image,level", "IMAGE , Level").encode(),
        (PLAIN + PLAIN.partition("\n")[2]).encode(),
    ):
        (folder / "labels.csv").write_bytes(data)
        table = read_folder(folder).table
        assert table["image_id"].tolist() == NAMES, data
        assert table["grade"].tolist() == GRADES, data


@pytest.mark.parametrize("cell", ["5", "-1", "NaN", "", "2.5", "inf", "1e999", "x", "9" * 500])
def test_a_grade_that_is_none_is_counted_and_left_out(folder: Path, cell: str) -> None:
    (folder / "labels.csv").write_text(PLAIN.replace("2_left,2", f"2_left,{cell}"))
    catalog = read_folder(folder)
    assert "2_left" not in catalog.table["image_id"].tolist()
    assert (len(catalog.table), catalog.unusable_rows) == (5, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"image\n" + PLAIN.encode(),
        PLAIN.replace("level", "stage").encode(),
        PLAIN.replace(",", "|").encode(),
        PLAIN.encode("utf-16"),
        PLAIN.replace("level", "level\0").encode(),
        b"image,level\n" + b'"' * 50,
        b"image,level\n",
    ],
)
def test_what_is_no_table_of_labels_is_one_sentence(
    capsys: Shell, folder: Path, data: bytes
) -> None:
    (folder / "labels.csv").write_bytes(data)
    with pytest.raises(DataError):
        read_folder(folder)
    answer = retina(capsys, "prepare", folder)
    assert answer.status == 2
    assert len(answer.errors) == 1


@needs_proc
@pytest.mark.long
@pytest.mark.parametrize("file", ["labels.csv", "train.txt"])
def test_a_table_of_a_gigabyte_is_refused(folder: Path, file: str) -> None:
    head, line = (b"image,level\n", b"1_left,2\n") if file == "labels.csv" else (b"", b"1.jpg 2\n")
    with (folder / file).open("wb") as written:
        written.write(head)
        for _ in range(1024):
            written.write(line * (2**20 // len(line)))
    run = measured(folder, "check-data", folder)
    assert run.status == 2
    assert f"{file} is larger than 64 MiB" in run.err
    assert run.peak < LIMIT_MIB
    assert run.seconds < 60
