import errno
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retina.datasets.synthetic import draw_fundus
from retina.errors import ImageError, TooLarge, TriageError
from retina.images.limits import MAX_BYTES
from retina.inference.sources import Found, in_folder, named, photographs_in, read_source, uploaded
from tests.images.dicom_files import dicom

EYE = draw_fundus(3, seed=1, size=64)
NAMES = ["7_left.png", "evening/7_right.png", "morning/7_left.png", "morning/IM0001", "notes.jpg"]
OTHERS = ["DICOMDIR", "README", "table.csv"]
HIDDEN = [".thumbs/7_left.png", "__MACOSX/._7_left.png", "morning/.7_left.png"]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place") / "day"
    for name in (*NAMES, *OTHERS, *HIDDEN):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            EYE.save(path)
        else:
            path.write_text("no photograph")
    for name in ("morning/IM0001", "DICOMDIR"):
        (folder / name).write_bytes(dicom(EYE))
    return folder


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """As a browser sends a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder.parent).as_posix(), path


def names(found: Found) -> tuple[list[str], list[str], list[str]]:
    return [source.name for source in found.sources], sorted(found.others), sorted(found.hidden)


def test_a_folder_is_the_same_as_itself_as_a_zip_and_as_an_upload(
    day: Path, tmp_path: Path
) -> None:
    inside = Path(shutil.make_archive(str(tmp_path / "inside"), "zip", day))
    packed = Path(shutil.make_archive(str(tmp_path / "day"), "zip", day.parent, "day"))
    found = photographs_in(day)
    assert names(found) == (NAMES, OTHERS, HIDDEN)
    assert found.left_out == (
        "Left out as no photographs: DICOMDIR, README, table.csv. "
        "Left out as hidden: 3 in .7_left.png, .thumbs, __MACOSX."
    )
    ways = [photographs_in(inside), photographs_in(packed), uploaded(files(day))]
    ways += [uploaded([(archive.name, archive)]) for archive in (inside, packed)]
    for way in ways:
        assert names(way) == names(found)
        assert way.left_out == found.left_out
        assert not way.loose
        for one, other in zip(way.sources, found.sources, strict=True):
            assert read_source(one) == read_source(other)


def test_of_two_folders_or_archives_names_begin_with_theirs(day: Path, tmp_path: Path) -> None:
    both = [*files(day / "morning"), *files(day / "evening")]
    assert names(uploaded(both))[0] == NAMES[1:-1]
    archives = [
        Path(shutil.make_archive(str(tmp_path / name), "zip", day / name))
        for name in ("morning", "evening")
    ]
    found = uploaded([(archive.name, archive) for archive in archives])
    assert names(found)[0] == NAMES[1:-1]


def test_loose_photographs_tell_no_folder(day: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "morning"), "zip", day / "morning"))
    found = uploaded([("morning.zip", archive), ("7_left.png", day / "7_left.png")])
    assert found.loose
    assert names(found)[0] == ["7_left.png", "7_left.png", "IM0001"]


def test_what_was_named_one_by_one_is_tried_whatever_it_is_called(
    day: Path, tmp_path: Path
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "day"), "zip", day))
    found = named([archive, day / "table.csv"])
    assert names(found) == ([*NAMES, "table.csv"], OTHERS, HIDDEN)


def test_an_archive_from_windows_has_its_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        archive.writestr("morning\\7_left.png", "eye")
    [source] = photographs_in(tmp_path / "day.zip").sources
    assert (source.name, read_source(source)) == ("morning/7_left.png", b"eye")


def test_paths_that_leave_the_archive_are_not_hidden(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        archive.writestr("../../etc/7_left.png", "eye")
    assert names(photographs_in(tmp_path / "day.zip"))[0] == ["../../etc/7_left.png"]


@pytest.mark.parametrize("listed", [False, True])
def test_a_folder_that_may_not_be_searched_is_named_and_stops_nothing(
    day: Path, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    """Neither its names may be listed, or only those. Root may do both, so this is played."""
    scandir, is_file = os.scandir, Path.is_file

    def refusing(path: Any) -> Any:
        if str(path) == str(day / "morning") and not listed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    def unknown(path: Path) -> bool:
        if path.parent == day / "morning" and listed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setattr(Path, "is_file", unknown)
    found = in_folder(day)
    assert names(found)[0] == ["7_left.png", "evening/7_right.png", "notes.jpg"]
    assert found.left_out.endswith("Not searched, since permission is missing: morning.")


def test_a_folder_that_may_not_be_searched_itself_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refusing)
    assert in_folder(tmp_path).left_out == f"Not searched, since permission is missing: {tmp_path}."
    with pytest.raises(TriageError, match=f"^{tmp_path} may not be searched: ask"):
        photographs_in(tmp_path)


def test_a_photograph_that_may_not_be_opened_is_named_without_its_folders_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: Path, mode: str = "r") -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    for name in ("7_left.jpg", "IM0001"):
        (tmp_path / name).write_bytes(dicom(EYE))
    monkeypatch.setattr(Path, "open", refusing)
    first, second = in_folder(tmp_path).sources
    for source in (first, second):
        with pytest.raises(
            ImageError, match=rf"^{source.name} cannot be read \(Permission denied\)"
        ):
            read_source(source)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "7_left.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    [source] = in_folder(tmp_path).sources
    with pytest.raises(TooLarge, match=r"^7_left\.jpg is larger than 512 MiB"):
        read_source(source)


def test_what_holds_no_photograph_is_named_with_what_was_left_out(tmp_path: Path) -> None:
    with pytest.raises(TriageError, match="neither a folder nor a ZIP"):
        photographs_in(tmp_path / "missing")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(TriageError, match=r"holds no file that ends in \.jpg.*: notes\.txt\.$"):
        photographs_in(tmp_path)


def test_an_archive_whose_list_is_damaged_is_a_sentence(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        archive.writestr("a.png", "eye")
    data = (tmp_path / "day.zip").read_bytes().replace(b"PK\x01\x02", b"PK\x09\x09")
    (tmp_path / "day.zip").write_bytes(data)
    with pytest.raises(TriageError, match="damaged ZIP"):
        photographs_in(tmp_path / "day.zip")


def test_many_left_out_are_counted(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.txt").touch()
    assert in_folder(tmp_path).left_out == (
        "Left out as no photographs: 0.txt, 1.txt, 2.txt and 4 more."
    )
