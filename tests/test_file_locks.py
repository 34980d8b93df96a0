import errno
import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from retina import files as locks

Lock = Callable[..., bool]


class Windows(SimpleNamespace):
    """``msvcrt``, as far as locks go: bytes from where the file stands, to one opening of it."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], int] = {}

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        key = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
        if self.held.setdefault(key, descriptor) != descriptor:
            raise PermissionError(errno.EACCES, "Permission denied")

    def close(self, descriptor: int) -> None:
        self.held = {key: holder for key, holder in self.held.items() if holder != descriptor}
        os.close(descriptor)


@pytest.fixture(params=["here", "windows"])
def system(request: pytest.FixtureRequest) -> tuple[Lock, Callable[[int], None]]:
    """What locks and what closes a file: by this system, and by Windows's branch on a stand-in."""
    if request.param == "here":
        return locks.lock, os.close
    windows, patch = Windows(), request.getfixturevalue("monkeypatch")
    patch.setattr(sys, "platform", "win32")
    patch.setitem(sys.modules, "msvcrt", windows)
    spec = importlib.util.find_spec("retina.files")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.lock, windows.close


def opened(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT)


def test_one_holds_it_until_it_is_closed_and_can_go_on_where_it_stood(
    system: tuple[Lock, Callable[[int], None]], tmp_path: Path
) -> None:
    lock, close = system
    (tmp_path / "log").write_bytes(b"abc\n")
    first, second = opened(tmp_path / "log"), opened(tmp_path / "log")
    os.lseek(first, 2, os.SEEK_SET)
    assert lock(first, wait=False)
    assert os.read(first, 2) == b"c\n"
    assert not lock(second, wait=False)
    os.write(first, b"def\n")
    close(first)
    assert lock(second, wait=False)
    close(second)
    assert (tmp_path / "log").read_bytes() == b"abc\ndef\n"


def test_who_waits_gets_it_when_the_other_has_closed_it(
    system: tuple[Lock, Callable[[int], None]], tmp_path: Path
) -> None:
    lock, close = system
    first, second = opened(tmp_path / "log"), opened(tmp_path / "log")
    assert lock(first, wait=True)
    closed = []

    def end() -> None:
        closed.append(first)
        close(first)

    closing = threading.Timer(0.1, end)
    closing.start()
    assert lock(second, wait=True)
    assert closed == [first], "it did not wait"
    closing.join()
    close(second)
