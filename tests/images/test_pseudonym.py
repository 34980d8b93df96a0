import hashlib
import hmac
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retina.images import dicom as module
from retina.images.dicom import KEY_FILE, pseudonym

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RETINA_DATA", str(tmp_path / "data"))
    yield tmp_path / "data"
    module._key.cache_clear()


def restart() -> None:
    module._key.cache_clear()


def test_it_is_a_keyed_hash_that_survives_a_restart(folder: Path) -> None:
    before = pseudonym(b"4711")
    restart()
    assert pseudonym(b"4711") == before != pseudonym(b"4712")
    key = (folder / KEY_FILE).read_bytes()
    assert before == hmac.new(key, b"4711", hashlib.sha256).hexdigest()[:16]
    assert before != hashlib.sha256(b"4711").hexdigest()[:16]


def test_another_machine_has_another_pseudonym(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = pseudonym(b"4711")
    monkeypatch.setenv("RETINA_DATA", str(tmp_path / "elsewhere"))
    assert pseudonym(b"4711") != here


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no permissions in the mode")
def test_the_key_is_this_users_alone(folder: Path) -> None:
    pseudonym(b"4711")
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_threads_that_meet_no_key_make_one(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(pseudonym, [b"4711"] * 50))) == 1


def test_processes_that_meet_no_key_agree(folder: Path) -> None:
    code = (
        "import sys, time; from retina.images.dicom import pseudonym; "
        "time.sleep(max(0, float(sys.argv[1]) - time.time())); print(pseudonym(b'4711'))"
    )
    command = [sys.executable, "-c", code, str(time.time() + 1.5)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(6)
    ]
    assert len({process.communicate()[0] for process in processes}) == 1


def test_a_key_that_another_process_made_meanwhile_stays(folder: Path) -> None:
    folder.mkdir()
    (folder / KEY_FILE).write_bytes(b"k" * 32)
    module._make(folder / KEY_FILE, b"x" * 32)
    assert (folder / KEY_FILE).read_bytes() == b"k" * 32


def test_a_damaged_key_is_made_anew(folder: Path) -> None:
    folder.mkdir()
    (folder / KEY_FILE).write_bytes(b"short")
    before = pseudonym(b"4711")
    restart()
    assert pseudonym(b"4711") == before


def test_where_no_key_can_be_kept_it_holds_for_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETINA_DATA", str(tmp_path / "file"))
    before = pseudonym(b"4711")
    assert pseudonym(b"4711") == before
    restart()
    assert pseudonym(b"4711") != before


def test_a_key_in_the_cache_folder_is_moved_to_the_data_folder(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / KEY_FILE).write_bytes(b"k" * 32)
    expected = hmac.new(b"k" * 32, b"4711", hashlib.sha256).hexdigest()[:16]
    for _ in range(2):
        assert pseudonym(b"4711") == expected
        assert (folder / KEY_FILE).read_bytes() == b"k" * 32
        assert not (tmp_path / "cache" / KEY_FILE).exists()
        restart()


def test_a_damaged_key_in_the_cache_folder_is_not_moved(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / KEY_FILE).write_bytes(b"short")
    pseudonym(b"4711")
    assert len((folder / KEY_FILE).read_bytes()) == 32
