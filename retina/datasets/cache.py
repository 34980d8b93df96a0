"""Prepared squares on disk: a photograph is decoded and cropped once, not in every epoch."""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache as once
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from retina.assessment import Verdict
from retina.datasets.parallel import Unreadable, map_pictures
from retina.errors import DataError
from retina.files import replacing, user_cache_folder, write_text
from retina.images.decode import read_photograph
from retina.images.prepare import Preprocessing, Triple

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


def gate_verdict(cache: PreparedCache, settings: Preprocessing, path: str) -> Verdict:
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
    return np.array(read_photograph(path, at_least=settings.at_least).square(settings))


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


def channel_statistics(
    paths: Sequence[str | os.PathLike[str]],
    settings: Preprocessing,
    cache: PreparedCache | None = None,
) -> tuple[Triple, Triple]:
    """Mean and standard deviation of red, green and blue over all pixels of prepared squares.

    Computed from counts of the 256 values, so exactly, whatever the order of the photographs.

    Args:
        paths: The photographs of the training part, at least one.
        settings: What of it decides the geometry counts.
        cache: Where prepared squares are kept.

    Returns:
        Mean and standard deviation, in units of 0..1.

    Raises:
        DataError: There is no photograph, or one of them cannot be used.
    """
    if not paths:
        raise DataError("There is no picture to take mean and standard deviation from.")
    counts = np.zeros((3, 256), dtype=np.int64)
    files = [os.fspath(path) for path in paths]
    work = partial(_value_counts, settings, cache)
    for result in map_pictures(work, files, "Measuring colours"):
        if isinstance(result, Unreadable):
            raise DataError(f"{result.path}: {result.reason}")
        counts += result
    values = np.arange(256) / 255
    pixels = counts[0].sum()
    mean = counts @ values / pixels
    std = np.sqrt(counts @ values**2 / pixels - mean**2)
    return _triple(mean), _triple(std)


def _value_counts(
    settings: Preprocessing, cache: PreparedCache | None, path: str
) -> npt.NDArray[np.int64]:
    """How often each of the 256 values occurs in each channel of a square: (3, 256)."""
    channels = prepared_square(path, settings, cache).reshape(-1, 3).T
    return np.stack([np.bincount(channel, minlength=256) for channel in channels])


def _triple(values: npt.NDArray[np.float64]) -> Triple:
    red, green, blue = values.tolist()
    return red, green, blue


Fact = TypeVar("Fact", str, list[object])


def remembered(
    find_out: Callable[[str], Fact], paths: Sequence[str], kind: type[Fact], name: str, doing: str
) -> list[Fact | Unreadable]:
    """Find out something about many photographs, in several processes, with a progress bar.

    It is remembered in the user's cache folder for as long as a file's size and time of change stay
    the same, also when the work is interrupted. A memory that is damaged or cannot be written only
    costs time. Unreadable photographs are tried again each time.

    Args:
        find_out: Given a path, a value for JSON; a function of a module.
        paths: The photographs.
        kind: The type of the values.
        name: Of the memory; to be changed where ``find_out`` comes to answer otherwise.
        doing: What the progress bar says.

    Returns:
        A value for each path, in their order, or why there is none.
    """
    memory = user_cache_folder() / f"{name}-of-pillow-{PIL.__version__}.json"
    known = _recall(memory, kind)
    keys = {path: _key(path) for path in paths}
    unknown = [path for path, key in keys.items() if key not in known]
    found: dict[str, Fact | Unreadable] = {}
    try:
        for path, fact in zip(unknown, map_pictures(find_out, unknown, doing), strict=True):
            found[path] = fact
    finally:
        fresh = {keys[path]: fact for path, fact in found.items() if isinstance(fact, kind)}
        if fresh:
            # Read again: another process may have added to it meanwhile.
            with suppress(OSError):
                write_text(memory, json.dumps(_recall(memory, kind) | fresh))
    return [found[path] if path in found else known[keys[path]] for path in paths]


def _key(path: str) -> str:
    """What a fact is remembered by: the absolute path, and what changes with the file.

    It is hashed, because a file may be called by a patient's name.
    """
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return path
    told = [os.path.abspath(path), status.st_size, status.st_mtime_ns]  # noqa: PTH100
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _recall(memory: Path, kind: type[Fact]) -> dict[str, Fact]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: fact for key, fact in known.items() if isinstance(fact, kind)}
