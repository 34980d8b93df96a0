"""The photographs and tables in a data folder."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retina.errors import DataError
from retina.images.limits import IMAGE_ENDINGS

# By these, data sets name the tables and the folders of their parts.
_PART_WORDS = ("train", "val", "test")


@dataclass(frozen=True)
class DataFolder:
    """The photographs and tables of a data folder; paths are relative, with forward slashes.

    Attributes:
        root: The folder, absolute, links resolved.
        pictures: Paths of the photographs, sorted.
        tables: Paths of the CSV files, sorted.
        lists: Paths of the text files, sorted.
        by_name: The photographs by file name without its ending, in Unicode's form NFC; a name can
            occur in several sub-folders.
    """

    root: Path
    pictures: tuple[str, ...]
    tables: tuple[str, ...]
    lists: tuple[str, ...]
    by_name: dict[str, list[str]]

    def find(self, name: str, near: str = "") -> list[str]:
        """Find the photographs that a table may mean by ``name``.

        Folders and an ending in the name choose among photographs of one name. They do not have to
        fit a photograph that is the only one: tables often hold paths of the machine that wrote
        them, and data sets are often converted. Where that leaves several, those are taken that lie
        in a folder for training, validation or testing as the table's own name says, and of these
        those that lie nearest to the table.

        Args:
            name: With or without folders and ending, with forward slashes.
            near: The table that names it, as in ``tables``.
        """
        name = _composed(name)
        image_id = without_ending(name)
        candidates = self.by_name.get(image_id.rpartition("/")[2], [])
        if len(candidates) < 2:
            return candidates
        exact = [path for path in candidates if f"/{_composed(path)}".endswith(f"/{name}")]
        fitting = [
            path
            for path in candidates
            if f"/{_composed(without_ending(path))}".endswith(f"/{image_id}")
        ]
        chosen = exact or fitting or candidates
        return _nearest(chosen, near) if near and len(chosen) > 1 else chosen


def _composed(name: str) -> str:
    """Normalise accents in a name to NFC; macOS writes NFD."""
    return unicodedata.normalize("NFC", name)


def without_ending(name: str) -> str:
    """Drop the ending of a photograph's name or path, where it has one of ``IMAGE_ENDINGS``."""
    stem, ending = os.path.splitext(name)  # noqa: PTH122 - text, and a third of the time of Path
    return stem if ending.lower() in IMAGE_ENDINGS else name


def scan(folder: str | os.PathLike[str]) -> DataFolder:
    """List a data folder in one walk; hidden files and folders are skipped.

    Raises:
        DataError: The folder is missing, is no folder, or cannot be read.
    """
    root = Path(folder).resolve()
    if not root.exists():
        raise DataError(f"There is no folder {folder}: give the folder that holds the data set.")
    if not root.is_dir():
        raise DataError(f"{folder} is a file: give the folder that holds the data set.")
    try:
        files = sorted(_files(root))
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} cannot be read ({error.strerror}): check its permissions."
        ) from error
    pictures = tuple(file for file in files if _ending(file) in IMAGE_ENDINGS)
    by_name: dict[str, list[str]] = {}
    for picture in pictures:
        name = _composed(without_ending(picture).rpartition("/")[2])
        by_name.setdefault(name, []).append(picture)
    tables = tuple(file for file in files if _ending(file) == ".csv")
    lists = tuple(file for file in files if _ending(file) == ".txt")
    return DataFolder(root, pictures, tables, lists, by_name)


def _nearest(pictures: list[str], table: str) -> list[str]:
    folder, _, file = table.lower().rpartition("/")
    words = [word for word in _PART_WORDS if word in file]
    same_part = [
        path for path in pictures if any(word in path.lower().rpartition("/")[0] for word in words)
    ]
    left = same_part or pictures
    shared = [len(os.path.commonpath(["/" + folder, "/" + path.lower()])) for path in left]
    return [path for path, length in zip(left, shared, strict=True) if length == max(shared)]


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122


def _files(root: Path) -> Iterator[str]:
    """Yield the files under ``root``; a folder that links reach again is entered once."""
    waiting = [(str(root), "")]
    entered: set[tuple[int, int]] = set()
    while waiting:
        folder, prefix = waiting.pop()
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                if entry.is_dir():
                    waiting.append((entry.path, f"{prefix}{entry.name}/"))
                elif entry.is_file():
                    yield prefix + entry.name
