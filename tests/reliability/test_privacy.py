"""A planted name is searched for in everything that is written."""

import base64
import io
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from pypdf import PdfReader

from retina.datasets.synthetic import draw_fundus
from tests.cli.shell import retina
from tests.images.dicom_files import PRIVATE, dicom
from tests.reliability.conftest import opened

NAME = "Zwetschgenbaum"
"""Of a patient: in the file's name, in EXIF, in comments."""
MARKS = [NAME, *(each for each in PRIVATE if len(each) > 4)]  # Doe is in many a word
ARTIST, DESCRIPTION, COMMENT = 0x013B, 0x010E, 0x9286


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photographs")
    eye = draw_fundus(3, seed=5, size=200)
    exif = Image.Exif()
    exif[ARTIST], exif[DESCRIPTION] = NAME, NAME
    exif.get_ifd(0x8769)[COMMENT] = b"ASCII\0\0\0" + NAME.encode()
    jpeg = folder / f"{NAME}_left.jpg"
    eye.save(jpeg, exif=exif, comment=NAME.encode(), quality=95)
    assert jpeg.read_bytes().count(NAME.encode()) >= 4
    (folder / f"{NAME}_right.dcm").write_bytes(dicom(eye))
    (folder / f"{NAME}_broken.jpg").write_bytes(jpeg.read_bytes()[:1500])
    return sorted(folder.iterdir())


def told_by(place: Path) -> Iterator[str]:
    """Every file of a folder that holds one of the marks, in its path or in its bytes."""
    for file in place.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        for mark in MARKS:
            if mark in str(file.relative_to(place)) or mark.encode() in content:
                yield f"{mark} in {file}"


def uploaded(client: Client, photographs: list[Path]) -> None:
    for file in photographs:
        with nullcontext() if "broken" not in file.name else pytest.raises(AppError):
            client.predict(handle_file(file), api_name="/grade")
    client.predict([handle_file(file) for file in photographs], api_name="/triage")
    httpx.get(f"{client.src}{NAME}")


def test_the_page_keeps_no_name_once_it_is_closed(
    checkpoints: Path, photographs: list[Path], tmp_path: Path
) -> None:
    with opened(checkpoints, tmp_path) as running:
        client = Client(running.address, verbose=False, download_files=False)
        uploaded(client, photographs)
        written = [running.folder / name for name in ("log", "audit", "errors")]
        assert all(file.exists() for file in written)
        assert len((running.folder / "audit").read_text().splitlines()) >= 4
        for file in written:
            assert not [mark for mark in MARKS if mark in file.read_text()], file
        assert not list(told_by(running.folder / "cache"))
        assert list(told_by(running.folder / "temporary")), "uploads lie there for an hour"
    assert not list(told_by(running.folder))


def test_a_report_names_nobody_unasked(
    checkpoints: Path,
    photographs: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ["--model", "small", "--checkpoints", str(checkpoints)]
    flags += ["--report", str(tmp_path / "reports")]
    assert retina(capsys, "grade", *photographs, *flags, "--anyway").status == 2  # the broken one
    reports = sorted((tmp_path / "reports").iterdir())
    assert {file.suffix for file in reports} == {".pdf", ".html"}
    assert not [line for file in reports for line in told_by_report(file)]


def told_by_report(file: Path) -> Iterator[str]:
    """The marks in a report: in its bytes, its text, and in the pictures inside it."""
    content = file.read_bytes()
    parts = [content]
    if file.suffix == ".pdf":
        reader = PdfReader(io.BytesIO(content))
        parts += [page.extract_text().encode() for page in reader.pages]
        parts += [image.data for page in reader.pages for image in page.images]
        parts.append(str(reader.metadata).encode())
    else:
        parts += map(base64.b64decode, re.findall(rb"base64,([A-Za-z0-9+/=]+)", content))
    assert len(parts) > 2
    for part in parts:
        yield from (f"{mark} in {file.name}" for mark in MARKS if mark.encode() in part)
        if part[:3] == b"\xff\xd8\xff" or part[:4] == b"\x89PNG":
            with Image.open(io.BytesIO(part)) as picture:
                assert not picture.getexif()
                assert not {"comment", "exif"} & picture.info.keys()


def test_what_is_kept_of_a_data_folder_knows_no_name(
    photographs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data"
    data.mkdir()
    rows = [f"{file.stem},3" for file in photographs]
    (data / "train.csv").write_text("\n".join(["id_code,diagnosis", *rows]))
    for file in photographs:
        (data / file.name).write_bytes(file.read_bytes())
    for command in ("prepare", "check-data"):
        retina(capsys, command, data)
    kept = [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert {file.suffix for file in kept} >= {"", ".sqlite"}, "squares, and what is remembered"
    assert not list(told_by(tmp_path / "cache"))
