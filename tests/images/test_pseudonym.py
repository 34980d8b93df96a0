import hashlib
import hmac
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retina.images import pseudonym as module
from retina.images.pseudonym import KEY_FILE, pseudonym


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
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
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path / "elsewhere"))
    assert pseudonym(b"4711") != here


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no permissions in the mode")
def test_the_key_is_this_users_alone(folder: Path) -> None:
    pseudonym(b"4711")
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_threads_that_meet_no_key_make_one(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(pseudonym, [b"4711"] * 50))) == 1


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
    monkeypatch.setenv("RETINA_CACHE", str(tmp_path / "file"))
    before = pseudonym(b"4711")
    assert pseudonym(b"4711") == before
    restart()
    assert pseudonym(b"4711") != before
