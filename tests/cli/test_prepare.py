from pathlib import Path

import pytest

from tests.cli.shell import retina
from tests.datasets.pictures import write_pictures, write_table

Shell = pytest.CaptureFixture[str]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    write_pictures(folder, ["a.png", "b.png"])
    (folder / "b.png").write_bytes(b"no picture")
    write_table(folder / "labels.csv", "image,level\na,0\nb,1\n")
    return folder


def test_it_says_how_many_it_prepared_and_which_it_left_out(capsys: Shell, data: Path) -> None:
    answer = retina(capsys, "prepare", data, "--image-size", "32")
    assert answer.status == 0
    assert answer.out.startswith("1 photograph preprocessed in ")
    assert "left out: b.png" in answer.err


def test_several_folders_are_prepared(capsys: Shell, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_pictures(other, ["c.png"])
    write_table(other / "labels.csv", "image,level\nc,0\n")
    answer = retina(capsys, "prepare", data, "--data", other, "--image-size", "32")
    assert answer.out.startswith("2 photographs preprocessed in ")


def test_what_was_prepared_can_be_deleted(capsys: Shell, data: Path, tmp_path: Path) -> None:
    retina(capsys, "prepare", data, "--image-size", "512")
    answer = retina(capsys, "prepare", "--clear")
    assert answer.status == 0
    assert answer.out.startswith("1 MB deleted from ")
    assert not (tmp_path / "cache" / "prepared").exists()
    assert (data / "a.png").exists()


def test_nothing_to_do_is_one_line(capsys: Shell) -> None:
    answer = retina(capsys, "prepare")
    assert (answer.status, answer.out, len(answer.errors)) == (2, "", 1)
    assert "--clear" in answer.errors[0]
