"""A page with every log, in folders of its own, whose memory and whose words can be looked at."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.web.conftest import REPOSITORY, free_port


@dataclass(frozen=True)
class Running:
    """A page that is open.

    Attributes:
        address: That ends in a slash.
        folder: Holds ``log``, ``audit``, ``errors``, and the folders ``cache`` and ``temporary``.
        pid: Of its process.
    """

    address: str
    folder: Path
    pid: int

    def megabytes(self) -> float:
        """Of memory that it holds."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmRSS")]
        return int(kilobytes) / 1024


@contextmanager
def opened(checkpoints: Path, folder: Path) -> Iterator[Running]:
    """Open a page; it has been closed by SIGTERM at the end."""
    port = free_port()
    for name in ("cache", "temporary"):
        (folder / name).mkdir()
    logs = ["--log", str(folder / "log"), "--audit-log", str(folder / "audit")]
    flags = ["--port", str(port), "--checkpoints", str(checkpoints), *logs]
    places = {
        "RETINA_CACHE": str(folder / "cache"),
        "RETINA_DATA": str(folder / "user-data"),
        "TMPDIR": str(folder / "temporary"),
    }
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "app.py", *flags],
            cwd=REPOSITORY,
            env=os.environ | places | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            assert str(port) in process.stdout.readline(), (folder / "errors").read_text()
            yield Running(f"http://127.0.0.1:{port}/", folder, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 143


@pytest.fixture(scope="session")
def running(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with opened(checkpoints, tmp_path_factory.mktemp("running")) as running:
        yield running
