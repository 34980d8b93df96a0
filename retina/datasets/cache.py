"""Caches on disk: prepared squares, and facts computed from photographs."""

import hashlib
import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import date
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
from retina.files import replacing, user_cache_folder
from retina.images.decode import read_photograph
from retina.images.prepare import Preprocessing, Triple

_CHECKSUM_BYTES = 4


class PreparedCache:
    """A lossless cache of the squares of ``prepare_square``, one file per photograph.

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
        """Return the prepared square of a photograph, which is cached.

        Args:
            path: Path of the photograph.
            settings: Preprocessing that gives the square.
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
        """Prepare, in several processes, the photographs that are not cached yet.

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
        """The cache file of a photograph; None if there is no such photograph."""
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
    """Return the prepared square of a photograph, from the cache if there is one.

    Returns:
        (size, size, 3) uint8, RGB.

    Raises:
        ImageError: The file cannot be used as a photograph.
    """
    return _prepare(path, settings) if cache is None else cache.square(path, settings)


def gate_verdict(cache: PreparedCache, settings: Preprocessing, path: str) -> Verdict:
    """Return the quality gate's verdict on a photograph, and cache its square.

    It is here, apart from modules that need PyTorch, for the processes that decode.

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
    """Read the square in ``file``; None if there is none, or something else."""
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
        paths: The photographs of the training split, at least one.
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

FACTS_FILE = "photographs.sqlite"
_KEPT_DAYS = 90
_BATCH = 256  # facts written at a time, and looked up at a time
_WAIT_SECONDS = 10  # for another process that writes


def remembered(
    compute: Callable[[str], Fact], paths: Sequence[str], kind: type[Fact], name: str, doing: str
) -> list[Fact | Unreadable]:
    """Compute something about many photographs, in several processes, with a progress bar.

    Facts are kept in one SQLite file of the user's cache folder while a file's size and time of
    change stay the same, also when the work is interrupted; those not asked for in 90 days are
    deleted. A file that is damaged or cannot be written only costs time. Unreadable photographs
    are tried again each time.

    Args:
        compute: Given a path, a value for JSON; a function of a module.
        paths: The photographs.
        kind: The type of the values.
        name: Name of the fact, to be changed whenever ``compute`` changes.
        doing: The label of the progress bar.

    Returns:
        A value for each path, in their order, or why there is none.
    """
    facts = _Facts(user_cache_folder() / FACTS_FILE, f"{name} pillow-{PIL.__version__}")
    keys = {path: _key(path) for path in paths}
    known = {
        key: value
        for key, text in facts.read(keys.values()).items()
        if isinstance(value := json.loads(text), kind)
    }
    unknown = [path for path, key in keys.items() if key not in known]
    found: dict[str, Fact | Unreadable] = {}
    fresh: dict[str, str] = {}
    try:
        for path, fact in zip(unknown, map_pictures(compute, unknown, doing), strict=True):
            found[path] = fact
            if isinstance(fact, kind):
                fresh[keys[path]] = json.dumps(fact)
            if len(fresh) == _BATCH:
                facts.write(fresh)
                fresh = {}
    finally:
        facts.write(fresh)
    return [found[path] if path in found else known[keys[path]] for path in paths]


class _Facts:
    """Texts by photograph in an SQLite file that any number of processes share."""

    def __init__(self, file: Path, name: str) -> None:
        self._file = file
        self._name = name

    def read(self, keys: Iterable[str]) -> dict[str, str]:
        """Read the facts of these photographs."""
        asked, today = list(keys), date.today().toordinal()
        known: dict[str, str] = {}
        with suppress(sqlite3.Error, OSError), self._open() as database:
            for start in range(0, len(asked), _BATCH):
                some = asked[start : start + _BATCH]
                among = f"name = ? AND photograph IN ({', '.join('?' * len(some))})"
                rows = database.execute(
                    f"SELECT photograph, fact FROM facts WHERE {among}", [self._name, *some]
                )
                known.update(rows.fetchall())
                database.execute(
                    f"UPDATE facts SET day = ? WHERE {among} AND day < ?",
                    [today, self._name, *some, today],
                )
        return known

    def write(self, facts: Mapping[str, str]) -> None:
        """Write facts, and delete those unused for 90 days."""
        if not facts:
            return
        today = date.today().toordinal()
        with suppress(sqlite3.Error, OSError), self._open() as database:
            database.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)",
                [(self._name, key, fact, today) for key, fact in facts.items()],
            )
            database.execute("DELETE FROM facts WHERE day < ?", [today - _KEPT_DAYS])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction; a file that is no such database is replaced by an empty one."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as database, database:
            yield database

    def _connect(self) -> sqlite3.Connection:
        for attempt in range(2):
            database = sqlite3.connect(self._file, timeout=_WAIT_SECONDS)
            try:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS facts (name TEXT, photograph TEXT, fact TEXT,"
                    " day INTEGER, PRIMARY KEY (name, photograph)) WITHOUT ROWID"
                )
                database.execute("SELECT name, photograph, fact, day FROM facts LIMIT 1")
            except sqlite3.DatabaseError as error:
                database.close()
                busy = isinstance(error, sqlite3.OperationalError) and "no such" not in str(error)
                if busy or attempt:
                    raise
                self._file.unlink(missing_ok=True)
            else:
                return database
        raise AssertionError("the second attempt returns or raises")


def _key(path: str) -> str:
    """The key of a photograph: its absolute path, size and time of change.

    It is hashed, because a file may be called by a patient's name.
    """
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return path
    parts = [os.path.abspath(path), status.st_size, status.st_mtime_ns]  # noqa: PTH100
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
