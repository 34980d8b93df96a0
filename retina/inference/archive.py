"""A ZIP archive whose photographs are read where they lie; nothing is ever unpacked to the disk."""

import lzma
import zipfile
import zlib
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from retina.errors import TooLarge, TriageError
from retina.images.limits import MAX_BYTES

# RuntimeError: the archive is encrypted, or, as a subclass of it, packed in a rare way.
UNREADABLE = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class Archive:
    """A ZIP archive, held open from the first file that is read until ``close``, which see.

    Args:
        path: Of the archive.
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
