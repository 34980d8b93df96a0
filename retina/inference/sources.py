"""Photographs in folders, uploads and ZIP archives, which are never unpacked to disk."""

import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import BinaryIO

from retina.errors import ImageError, TooLarge, TriageError
from retina.images.dicom import SIGNATURE as DICOM
from retina.images.limits import IMAGE_ENDINGS, MAX_BYTES, refuse_bytes

# RuntimeError: the archive is encrypted, or, as a subclass of it, packed in a rare way.
UNREADABLE = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class Archive:
    """A ZIP archive, held open from the first file that is read until ``close``, which see.

    Args:
        path: Path of the archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._zip: zipfile.ZipFile | None = None

    def members(self) -> dict[str, zipfile.ZipInfo]:
        """Its files by name, with ``/`` whoever packed it.

        Raises:
            TriageError: It is damaged.
        """
        try:
            infos = self._opened().infolist()
        except UNREADABLE as error:
            raise TriageError(
                f"{self._path.name} is a damaged ZIP archive ({error}): make it anew"
            ) from error
        return {info.filename.replace("\\", "/"): info for info in infos if not info.is_dir()}

    def open(self, member: zipfile.ZipInfo) -> BinaryIO:
        """A file of it.

        Raises:
            TooLarge: It unpacks to more than a photograph may have.
            Exception: One of ``UNREADABLE``.
        """
        if member.file_size > MAX_BYTES:
            raise TooLarge(f"{member.filename} unpacks to {member.file_size:,} bytes, too many.")
        return self._opened().open(member)  # type: ignore[return-value]

    def close(self) -> None:
        """Let go of the file, once what is being read is read; ``open`` opens it again."""
        with self._lock:
            if self._zip is not None:
                self._zip.close()
            self._zip = None

    def _opened(self) -> zipfile.ZipFile:
        with self._lock:
            if self._zip is None:
                self._zip = zipfile.ZipFile(self._path)
            return self._zip


_MACOS_EXTRAS = "__MACOSX"
_PREAMBLE = 132
_NAMED = 3


@dataclass(frozen=True)
class Source:
    """A photograph that has not been read yet.

    Attributes:
        name: Its path in the folder or archive, with ``/``; only ever shown, never opened.
        stamp: Changes when its content does, as far as can be told without reading it.
        open: Gives its bytes.
    """

    name: str
    stamp: str
    open: Callable[[], BinaryIO]


@dataclass
class Found:
    """What was found; names are paths with ``/``.

    Attributes:
        sources: What may be photographs.
        others: Names of what is none.
        hidden: Names of what may be photographs, but is hidden.
        closed: Folders that may not be searched; the folder itself by its whole path.
        loose: Whether some were uploaded without the folder that they lie in.
        archives: Those that photographs are read from.
    """

    sources: list[Source] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    loose: bool = False
    archives: list[Archive] = field(default_factory=list)

    @property
    def left_out(self) -> str:
        """What was left out and why, in sentences; empty where nothing was."""
        said = []
        if self.others:
            more = len(self.others) - _NAMED
            names = ", ".join(sorted(self.others)[:_NAMED])
            said.append(f"Left out as no photographs: {names}{f' and {more} more' * (more > 0)}.")
        if self.hidden:
            places = sorted({_hidden_part(name) for name in self.hidden})
            said.append(f"Left out as hidden: {len(self.hidden)} in {', '.join(places[:_NAMED])}.")
        if self.closed:
            said.append(
                f"Not searched, since permission is missing: {', '.join(sorted(self.closed))}."
            )
        return " ".join(said)

    def close(self) -> None:
        """Let go of archives; a photograph that is read afterwards opens its archive again."""
        for archive in self.archives:
            archive.close()

    def _see(self, name: str, begin: Callable[[], bytes], source: Callable[[], Source]) -> None:
        """Put a file where it belongs."""
        if _hidden_part(name):
            if name.lower().endswith(IMAGE_ENDINGS):
                self.hidden.append(name)
        elif _may_be_photograph(name, begin):
            self.sources.append(source())
        else:
            self.others.append(name)

    def _see_file(self, name: str, path: Path) -> None:
        self._see(name, lambda: _beginning(path.open("rb")), lambda: _file(name, path))

    def _see_archive(self, path: Path, stem: str, folder: str = "") -> None:
        """See what is in an archive, under ``folder``.

        A folder that is called as the archive is, and holds all of it, stands for the archive: so
        are folders packed from a desktop.
        """
        archive = Archive(path)
        self.archives.append(archive)
        members = archive.members()
        top = f"{stem}/"
        packed = all(name.startswith((top, f"{_MACOS_EXTRAS}/")) for name in members)
        for name, member in members.items():
            shown = folder + (name.removeprefix(top) if packed else name)
            self._see(
                shown,
                lambda member=member: _beginning(archive.open(member)),  # type: ignore[misc]
                lambda shown=shown, member=member: Source(  # type: ignore[misc]
                    shown, f"{member.file_size}-{member.CRC}", lambda: archive.open(member)
                ),
            )
        archive.close()


def photographs_in(place: Path) -> Found:
    """All files of a folder and those in it, or of a ZIP archive, that may be photographs.

    Paths in an archive are names and nothing more.

    Returns:
        With ``sources`` by name.

    Raises:
        TriageError: There is no such folder or archive, or no such file in it.
    """
    if place.is_dir():
        found = in_folder(place)
    elif zipfile.is_zipfile(place):
        found = Found()
        found._see_archive(place, place.stem)
    else:
        raise TriageError(f"{place} is neither a folder nor a ZIP archive: name one of photographs")
    if str(place) in found.closed:
        raise TriageError(f"{place} may not be searched: ask its owner for the right to read it")
    if not found.sources:
        raise TriageError(
            f"{place} holds no file that ends in {', '.join(IMAGE_ENDINGS)}. "
            f"{found.left_out}".strip()
        )
    return _by_name(found)


def in_folder(folder: Path) -> Found:
    """What may be photographs in a folder and those in it; none where it is not there."""
    found = Found()

    def refused(error: OSError) -> None:
        if isinstance(error, PermissionError):
            place = Path(error.filename)
            found.closed.append(str(place if place == folder else place.relative_to(folder)))

    for place, _, names in os.walk(folder, onerror=refused):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):  # taken away while we look
                try:
                    if path.is_file():
                        found._see_file(_shown(path.relative_to(folder)), path)
                except PermissionError as error:  # its names may be listed, and that is all
                    refused(PermissionError(error.errno, error.strerror, place))
                    break
    return _by_name(found)


def uploaded(files: Iterable[tuple[str, Path]]) -> Found:
    """What may be photographs among uploads, by the names that the browser gave, with folders.

    An archive stands for what is in it. One folder is as if it had been given to
    ``photographs_in``; of several, and of several archives, names begin with theirs.
    """
    files = list(files)
    tops = {name.partition("/")[0] if "/" in name else "" for name, _ in files}
    top = f"{tops.pop()}/" if len(tops) == 1 else "/"
    archives = [name for name, path in files if _is_archive(name, path)]
    found = Found(loose=any("/" not in name and name not in archives for name, _ in files))
    for name, path in files:
        if name in archives:
            stem = Path(name).stem
            found._see_archive(path, stem, f"{stem}/" if len(archives) > 1 else "")
        else:
            found._see_file(name.removeprefix(top), path)
    return _by_name(found)


def named(paths: Iterable[Path]) -> Found:
    """Take files that are named one by one, whatever their endings, and what is in archives."""
    found = Found(loose=True)
    for path in paths:
        if _is_archive(path.name, path):
            found._see_archive(path, path.stem)
        else:
            found.sources.append(_file(path.name, path))
    return _by_name(found)


def read_source(source: Source) -> bytes:
    """Read the bytes of a photograph.

    Raises:
        ImageError: They cannot be read: too many, gone, or the archive is damaged, encrypted or
            packed in a way that is not known here.
    """
    try:
        with source.open() as file:
            return file.read()
    except UNREADABLE as error:
        why = f": {error}"
        if isinstance(error, OSError) and error.strerror:  # whose message holds the whole path
            why = f" ({error.strerror}); check its permissions and its disk."
        raise ImageError(f"{source.name} cannot be read{why}") from error


def _by_name(found: Found) -> Found:
    found.sources.sort(key=lambda source: source.name)
    return found


def _hidden_part(name: str) -> str:
    """The hidden folder, or file, that a path leads through; empty where it is not hidden."""
    hidden = (
        part
        for part in name.split("/")
        if part == _MACOS_EXTRAS or (part.startswith(".") and part not in (".", ".."))
    )
    return next(hidden, "")


def _may_be_photograph(name: str, begin: Callable[[], bytes]) -> bool:
    path = PurePosixPath(name)
    ending = path.suffix.lower()
    if ending in IMAGE_ENDINGS:
        return True
    if path.name == "DICOMDIR" or (ending and not ending[1:].isdigit()):
        return False
    try:
        return DICOM.match(begin()) is not None
    except PermissionError:
        return True  # Nobody can tell: its row says why.
    except (ImageError, *UNREADABLE):
        return False


def _beginning(file: BinaryIO) -> bytes:
    with file:
        return file.read(_PREAMBLE)


def _file(name: str, path: Path) -> Source:
    status = path.stat()
    return Source(name, f"{status.st_size}-{status.st_mtime_ns}", lambda: _opened(name, path))


def _opened(name: str, path: Path) -> BinaryIO:
    refuse_bytes(path.stat().st_size, name)
    return path.open("rb")


def _is_archive(name: str, path: Path) -> bool:
    return name.lower().endswith(".zip") and "/" not in name and zipfile.is_zipfile(path)


def _shown(path: Path) -> str:
    """A path with ``/``; bytes that are no UTF-8, which no table could hold, as escapes."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()
