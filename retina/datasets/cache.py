"""Prepared squares on disk: a photograph is decoded and cropped once, not in every epoch."""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from functools import cache as once
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from retina.assessment import Verdict
from retina.datasets.parallel import Unreadable, map_pictures
from retina.files import replacing, user_cache_folder
from retina.images.decode import load_fundus, read_photograph
from retina.images.prepare import Preprocessing, prepare_square

_CHECKSUM_BYTES = 4


class PreparedCache:
    """The squares of ``prepare_square``, one file a photograph, without loss.

    A file holds the pixels and their CRC-32. It is found by the photograph's absolute path, its
    size and time of change, and ``Preprocessing.geometry``, so that a changed photograph or setting
    finds no file. Files are written whole or not at all; one that is damaged is written anew. The
    folder may be deleted at any time, and several processes may use it at once.

    Args:
        folder: ``prepared`` in the user's cache folder if None; made when first needed.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder) if folder is not None else user_cache_folder() / "prepared"

    def square(
        self,
        path: str | os.PathLike[str],
        settings: Preprocessing,
        prepare: Callable[[], Image.Image] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """The prepared square of a photograph, prepared and kept now if it was not before.

        Args:
            path: Of the photograph.
            settings: Of the square.
            prepare: Makes the square if it is not kept, for who needs the photograph for more
                than that; it decodes no sooner, as the file is looked up before. None: as ``fill``.

        Returns:
            (size, size, 3) uint8, RGB; the caller's own, to write into as it likes.

        Raises:
            ImageError: The file cannot be used as a photograph.
            OSError: The cache folder cannot be written to.
        """
        file = self._file(path, settings)
        square = _read(file, settings.size) if file else None
        if square is None:
            square = np.array(prepare()) if prepare else _prepare(path, settings)
            if file:
                _write(file, square)
        return square

    def fill(
        self, paths: Sequence[str | os.PathLike[str]], settings: Preprocessing
    ) -> list[Unreadable]:
        """Prepare, in several processes, the photographs that are not yet kept.

        Returns:
            Those that cannot be used, each with its reason.

        Raises:
            OSError: The cache folder cannot be written to.
        """
        missing = [os.fspath(path) for path in paths if not self._holds(path, settings)]
        results = map_pictures(partial(_fill_one, self, settings), missing, "Preparing pictures")
        return [result for result in results if result is not None]

    def clear(self) -> int:
        """Delete every square that is kept.

        Returns:
            The bytes that they took.

        Raises:
            OSError: The folder cannot be read or changed.
        """
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        if files:
            shutil.rmtree(self.folder)
        return size

    def _holds(self, path: str | os.PathLike[str], settings: Preprocessing) -> bool:
        file = self._file(path, settings)
        try:
            return file is not None and file.stat().st_size == _file_size(settings.size)
        except OSError:
            return False

    def _file(self, path: str | os.PathLike[str], settings: Preprocessing) -> Path | None:
        """Where the square of a photograph is kept; None where there is no such photograph."""
        try:
            status = os.stat(path)  # noqa: PTH116 - a third of the time of Path
        except (OSError, ValueError):
            return None
        key = [os.path.abspath(path), status.st_size, status.st_mtime_ns, PIL.__version__]  # noqa: PTH100
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        return self.folder / settings.geometry / name[:2] / name[2:]


def prepared_square(
    path: str | os.PathLike[str], settings: Preprocessing, cache: PreparedCache | None = None
) -> npt.NDArray[np.uint8]:
    """The prepared square of a photograph, from the cache if there is one.

    Returns:
        (size, size, 3) uint8, RGB.

    Raises:
        ImageError: The file cannot be used as a photograph.
    """
    return _prepare(path, settings) if cache is None else cache.square(path, settings)


def verdict(cache: PreparedCache, settings: Preprocessing, path: str) -> Verdict:
    """The quality gate's verdict on a photograph, whose square is kept on the way.

    It stands here, apart from what needs PyTorch, for the processes that decode.

    Raises:
        ImageError: The file cannot be used as a photograph.
        OSError: The cache folder cannot be written to.
    """
    photograph = once(lambda: read_photograph(path, at_least=settings.at_least))
    cache.square(path, settings, lambda: photograph().square(settings))
    return photograph().quality.verdict


def _prepare(path: str | os.PathLike[str], settings: Preprocessing) -> npt.NDArray[np.uint8]:
    image = load_fundus(path, at_least=settings.at_least)
    return np.array(prepare_square(image, settings))


def _fill_one(cache: PreparedCache, settings: Preprocessing, path: str) -> None:
    cache.square(path, settings)


def _file_size(size: int) -> int:
    return size * size * 3 + _CHECKSUM_BYTES


def _read(file: Path, size: int) -> npt.NDArray[np.uint8] | None:
    """The square in ``file``; None where there is none, or something else."""
    try:
        data = np.fromfile(file, dtype=np.uint8)
    except OSError:
        return None
    if len(data) != _file_size(size):
        return None
    pixels, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if checksum.tobytes() != _checksum(pixels):
        return None
    return pixels.reshape(size, size, 3)


def _write(file: Path, square: npt.NDArray[np.uint8]) -> None:
    with replacing(file) as temporary:
        temporary.write_bytes(square.tobytes() + _checksum(square))


def _checksum(pixels: npt.NDArray[np.uint8]) -> bytes:
    return zlib.crc32(pixels.data).to_bytes(_CHECKSUM_BYTES, "little")
