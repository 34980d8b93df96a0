import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from retina.datasets import cache as cache_module
from retina.datasets import parallel
from retina.datasets.cache import FACTS_FILE, PreparedCache, channel_statistics, remembered
from retina.datasets.parallel import Unreadable
from retina.errors import DataError, ImageError, MissingFile
from retina.images.decode import load_fundus
from retina.images.prepare import Preprocessing, prepare_square
from tests.datasets.pictures import write_pictures

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Preprocessing(size=64)

FOR_EVER = """
import sys
from pathlib import Path
from retina.datasets.cache import PreparedCache
from retina.images.prepare import Preprocessing

cache = PreparedCache(sys.argv[1])
while True:
    for path in sys.argv[2:]:
        cache.square(path, Preprocessing(size=64))
    for file in cache.folder.rglob("*"):
        if file.is_file() and not file.name.startswith("."):
            file.write_bytes(b"foreign")
            break
"""


def expected(path: str, settings: Preprocessing = SETTINGS) -> npt.NDArray[np.uint8]:
    return np.asarray(prepare_square(load_fundus(path, at_least=settings.at_least), settings))


def files_of(cache: PreparedCache) -> list[Path]:
    return [file for file in cache.folder.rglob("*") if file.is_file()]


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("prepared again")


def test_a_square_is_prepared_once_and_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [path] = write_pictures(tmp_path, ["a.png"], size=150)
    cache = PreparedCache(tmp_path / "cache")
    first = cache.square(path, SETTINGS)
    monkeypatch.setattr(cache_module, "read_photograph", refuse)
    again = cache.square(path, SETTINGS)
    for square in (first, again):
        assert square.dtype == np.uint8
        assert square.flags.writeable
        np.testing.assert_array_equal(square, expected(path))


def test_nothing_is_written_beside_the_photographs(tmp_path: Path) -> None:
    [path] = write_pictures(tmp_path / "data", ["a.png"])
    PreparedCache(tmp_path / "cache").square(path, SETTINGS)
    assert list((tmp_path / "data").iterdir()) == [Path(path)]


def test_a_changed_photograph_or_setting_is_prepared_anew(tmp_path: Path) -> None:
    first, second = write_pictures(tmp_path, ["a.png", "b.png"])
    cache = PreparedCache(tmp_path / "cache")
    cache.square(first, SETTINGS)
    uncropped = Preprocessing(size=64, crop=False)
    np.testing.assert_array_equal(cache.square(first, uncropped), expected(first, uncropped))
    Path(first).write_bytes(Path(second).read_bytes())
    np.testing.assert_array_equal(cache.square(first, SETTINGS), expected(second))


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "zeros"])
def test_a_damaged_file_is_written_anew(tmp_path: Path, damage: str) -> None:
    [path] = write_pictures(tmp_path, ["a.png"])
    cache = PreparedCache(tmp_path / "cache")
    cache.square(path, SETTINGS)
    [file] = files_of(cache)
    whole = file.read_bytes()
    damaged = {
        "empty": b"",
        "short": whole[:-1],
        "flipped": bytes([whole[0] ^ 1]) + whole[1:],
        "zeros": bytes(len(whole)),
    }
    file.write_bytes(damaged[damage])
    np.testing.assert_array_equal(cache.square(path, SETTINGS), expected(path))
    assert file.read_bytes() == whole


def test_fill_prepares_what_is_missing_and_names_what_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", 2)
    paths = write_pictures(tmp_path, [f"{number}.png" for number in range(5)])
    Path(paths[1]).write_bytes(Path(paths[0]).read_bytes()[:200])
    cache = PreparedCache(tmp_path / "cache")
    [(path, reason)] = cache.fill(paths, SETTINGS)
    assert path == paths[1]
    assert "1.png" in reason
    monkeypatch.setattr(cache_module, "read_photograph", refuse)
    for readable in [paths[0], *paths[2:]]:
        cache.square(readable, SETTINGS)


def test_a_photograph_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    cache = PreparedCache(tmp_path / "cache")
    with pytest.raises(ImageError):
        cache.square(tmp_path / "text.jpg", SETTINGS)
    with pytest.raises(MissingFile):
        cache.square(tmp_path / "missing.jpg", SETTINGS)
    assert files_of(cache) == []


def test_two_writers_and_a_kill_leave_no_wrong_square(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, [f"{number}.png" for number in range(6)])
    cache = PreparedCache(tmp_path / "cache")
    command = [sys.executable, "-c", FOR_EVER, str(cache.folder), *paths]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [subprocess.Popen(command, env=environment) for _ in range(2)]
    try:
        give_up = time.monotonic() + 60
        while len(files_of(cache)) < len(paths) and time.monotonic() < give_up:
            time.sleep(0.02)
        for path in paths * 5:
            np.testing.assert_array_equal(cache.square(path, SETTINGS), expected(path))
        assert [writer.poll() for writer in writers] == [None, None]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    for path in paths:
        np.testing.assert_array_equal(cache.square(path, SETTINGS), expected(path))


def test_clearing_deletes_what_was_prepared_and_nothing_else(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, ["a.png", "b.png"])
    cache = PreparedCache(tmp_path / "cache" / "prepared")
    assert cache.clear() == 0
    cache.fill(paths, SETTINGS)
    (tmp_path / "cache" / "other.json").touch()
    assert cache.clear() == 2 * (SETTINGS.size**2 * 3 + 4)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["other.json"]
    np.testing.assert_array_equal(cache.square(paths[0], SETTINGS), expected(paths[0]))


@pytest.mark.parametrize("worth_processes", [2, 100])
def test_mean_and_deviation_are_numpys_over_all_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worth_processes: int
) -> None:
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", worth_processes)
    settings = Preprocessing(size=32)
    paths = write_pictures(tmp_path, [f"{number}.png" for number in range(4)])
    squares = [np.asarray(prepare_square(load_fundus(path), settings)) for path in paths]
    pixels = np.stack(squares) / 255
    mean, std = channel_statistics(paths, settings, PreparedCache(tmp_path / "cache"))
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(std, pixels.std(axis=(0, 1, 2)), atol=1e-9)
    assert channel_statistics(paths[::-1], settings) == (mean, std)


def test_no_picture_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(DataError, match="no picture"):
        channel_statistics([], Preprocessing())
    with pytest.raises(DataError, match=r"text\.jpg"):
        channel_statistics([tmp_path / "text.jpg"], Preprocessing())


@pytest.fixture
def facts_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / FACTS_FILE


def length_of(path: str) -> str:
    """A fact, and a line in a log each time that it is computed."""
    with Path(path).parent.joinpath("log").open("a", encoding="utf-8") as log:
        log.write(f"{Path(path).name}\n")
    if not (content := Path(path).read_text(encoding="utf-8")):
        raise ImageError("it is empty")
    return str(len(content))


def lengths(folder: Path, count: int) -> list[str | Unreadable]:
    paths = [str(folder / f"{number}.txt") for number in range(count)]
    return remembered(length_of, paths, str, "length", "Measuring")


def computed(folder: Path) -> list[str]:
    log = folder / "log"
    names = log.read_text(encoding="utf-8").split() if log.exists() else []
    log.unlink(missing_ok=True)
    return sorted(names)


def test_a_fact_is_computed_once_and_again_when_the_file_changes(
    facts_file: Path, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("x" * number, encoding="utf-8")
    first = lengths(tmp_path, 3)
    assert first[1:] == ["1", "2"]
    assert isinstance(first[0], Unreadable)
    assert computed(tmp_path) == ["0.txt", "1.txt", "2.txt"]
    (tmp_path / "2.txt").write_text("four", encoding="utf-8")
    assert lengths(tmp_path, 3)[1:] == ["1", "4"]
    assert computed(tmp_path) == ["0.txt", "2.txt"]  # an error is not remembered
    assert "txt" not in facts_file.read_bytes().decode("latin-1")  # a name may be a patient's


@pytest.mark.parametrize("damage", ["text", "cut off", "another database", "a folder"])
def test_facts_that_cannot_be_read_only_cost_time(
    facts_file: Path, tmp_path: Path, damage: str
) -> None:
    (tmp_path / "0.txt").write_text("abc", encoding="utf-8")
    lengths(tmp_path, 1)
    whole = facts_file.read_bytes()
    facts_file.unlink()
    if damage == "another database":
        with closing(sqlite3.connect(facts_file)) as database, database:
            database.execute("CREATE TABLE facts (other TEXT)")
    elif damage == "a folder":
        facts_file.mkdir()
    else:
        facts_file.write_bytes(b"hello" * 999 if damage == "text" else whole[:5000])
    computed(tmp_path)
    for again in (["0.txt"], ["0.txt"] if damage == "a folder" else []):
        assert lengths(tmp_path, 1) == ["3"]
        assert computed(tmp_path) == again


def test_facts_that_nobody_asks_for_are_deleted_after_90_days(
    facts_file: Path, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("x" * (number + 1), encoding="utf-8")
    lengths(tmp_path, 2)
    with closing(sqlite3.connect(facts_file)) as database, database:
        database.execute("UPDATE facts SET day = day - 91")
    lengths(tmp_path, 1)  # asked for, and so kept
    computed(tmp_path)
    remembered(length_of, [str(tmp_path / "2.txt")], str, "length", "Measuring")
    assert lengths(tmp_path, 3) == ["1", "2", "3"]
    assert computed(tmp_path) == ["1.txt", "2.txt"]


def test_processes_add_to_the_facts_at_once(facts_file: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from retina.datasets.cache import remembered\n"
        "remembered(str.upper, sys.argv[1:], str, 'upper', 'Measuring')"
    )
    names = [[str(tmp_path / f"{process}-{number}") for number in range(40)] for process in "abc"]
    for path in chain(*names):
        Path(path).touch()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([sys.executable, "-c", code, *each], env=environment) for each in names
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    with closing(sqlite3.connect(facts_file)) as database:
        assert database.execute("SELECT COUNT(*) FROM facts").fetchone() == (120,)
