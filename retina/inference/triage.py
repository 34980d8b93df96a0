"""Many photographs become a worklist: read and prepared in threads, graded in batches."""

import io
import lzma
import os
import time
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from retina.errors import InputError
from retina.images.decode import MAX_BYTES, ImageError, TooLarge, read_photograph
from retina.images.dicom import SIGNATURE as DICOM
from retina.inference.grader import Grader
from retina.inference.sight import Prepared, Sight
from retina.inference.worklist import Row, failed_row, graded_row

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".dcm")
BATCH = 8

# RuntimeError: the archive is encrypted; NotImplementedError: packed in a rare way.
_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


class TriageError(InputError):
    """A folder or archive cannot be triaged; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """A photograph that waits.

    Attributes:
        name: Its path in the folder or archive, with ``/``; only ever shown, never opened.
        stamp: Changes when its content does, as far as can be told without reading it.
        open: Gives its bytes.
    """

    name: str
    stamp: str
    open: Callable[[], BinaryIO]


def photographs_in(place: Path) -> list[Source]:
    """All files of a folder and those in it, or of a ZIP archive, that may be photographs.

    What they are called decides, so that tables and notes beside them are not taken for broken
    photographs; in a folder, DICOM is also known by how it begins. Paths in an archive are names
    and nothing more.

    Returns:
        By name.

    Raises:
        TriageError: There is no such folder or archive, or no such file in it.
    """
    if place.is_dir():
        found = in_folder(place)
    elif zipfile.is_zipfile(place):
        found = _in_archive(place)
    else:
        raise TriageError(f"{place} is neither a folder nor a ZIP archive: name one of photographs")
    if not found:
        raise TriageError(f"{place} holds no file that ends in {', '.join(SUFFIXES)}")
    return sorted(found, key=lambda source: source.name)


def triage(
    grader: Grader,
    sources: Iterable[Source],
    seen: Callable[[Source, Sight], None] | None = None,
) -> Iterator[Row]:
    """Grade photographs one after the other; one that cannot be read has its reason in its row.

    At most a few photographs are in memory at a time, however many there are. Whoever stops
    taking rows stops the work.

    Args:
        grader: The model.
        sources: The photographs.
        seen: Called, in some thread, with each photograph that could be read, before its row.

    Yields:
        A row for each, in the order of ``sources``.
    """
    threshold = grader.checkpoint.config.referable.threshold
    waiting: deque[tuple[Source, Future[Prepared | str]]] = deque()
    sources = iter(sources)
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                for source in islice(sources, BATCH + 2 * workers - len(waiting)):
                    waiting.append((source, pool.submit(_prepare, grader, source, seen)))
                if not waiting:
                    return
                batch = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
                ready = [(source.name, future.result()) for source, future in batch]
                answers = iter(
                    grader.answer([each for _, each in ready if isinstance(each, Prepared)])
                )
                for name, each in ready:
                    if isinstance(each, str):
                        yield failed_row(name, each, grader.name, grader.sha256)
                    else:
                        yield graded_row(name, next(answers), threshold)
        finally:
            for _, future in waiting:
                future.cancel()


def uploaded(paths: Sequence[Path]) -> list[Source]:
    """Files that were chosen one by one; an archive among them stands for what is in it."""
    sources: list[Source] = []
    for path in paths:
        archive = path.suffix.lower() == ".zip" and zipfile.is_zipfile(path)
        sources += _in_archive(path) if archive else [_file(path, path.name)]
    return sources


def read_source(source: Source) -> bytes:
    """The bytes of a photograph that waits.

    Raises:
        ImageError: They cannot be read: gone, or the archive is damaged, encrypted or packed in a
            way that is not known here.
    """
    try:
        with source.open() as file:
            return file.read()
    except _UNREADABLE as error:
        raise ImageError(f"{source.name} cannot be read: {error}") from error


def _prepare(
    grader: Grader, source: Source, seen: Callable[[Source, Sight], None] | None
) -> Prepared | str:
    began = time.perf_counter()
    need = grader.checkpoint.config.preprocessing.at_least
    try:
        data = io.BytesIO(read_source(source))
        sight = Sight(read_photograph(data, at_least=need, name=source.name))
        if seen is not None:
            seen(source, sight)
        return grader.prepared(sight, began)
    except ImageError as error:
        return str(error)


def in_folder(folder: Path) -> list[Source]:
    """What may be photographs in a folder and those in it, in no order; hidden files are not."""
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # taken away while we look
            if _may_be_photograph(path):
                found.append(_file(path, path.relative_to(folder).as_posix()))
    return found


def _may_be_photograph(path: Path) -> bool:
    """What it is called decides; how it begins, where a camera's export calls it by a number."""
    if path.name.startswith(".") or not path.is_file():
        return False
    ending = path.suffix.lower()
    if ending in SUFFIXES:
        return True
    if path.name == "DICOMDIR" or (ending and not ending[1:].isdigit()):
        return False
    with suppress(PermissionError), path.open("rb") as file:
        return DICOM.match(file.read(132)) is not None
    return False


def _file(path: Path, name: str) -> Source:
    status = path.stat()
    return Source(name, f"{status.st_size}-{status.st_mtime_ns}", lambda: path.open("rb"))


def _in_archive(path: Path) -> list[Source]:
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise TriageError(
            f"{path.name} is a damaged ZIP archive ({error}): make it anew"
        ) from error
    return [
        _member(archive, member)
        for member in archive.infolist()
        if not member.is_dir()
        and member.filename.lower().endswith(SUFFIXES)
        and not member.filename.rpartition("/")[2].startswith(".")  # as macOS adds
    ]


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Source:
    def opened() -> BinaryIO:
        if member.file_size > MAX_BYTES:
            raise TooLarge(f"{member.filename} unpacks to {member.file_size:,} bytes, too many.")
        return archive.open(member)  # type: ignore[return-value]

    return Source(member.filename, f"{member.file_size}-{member.CRC}", opened)
