"""``retina`` in a process of its own: how long it took, how much memory it held at most."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

HAS_PROC = Path("/proc/self/status").exists()
needs_proc = pytest.mark.skipif(not HAS_PROC, reason="the peak of memory is told by Linux's /proc")

LIMIT_MIB = 1536
"""What one photograph may take: 1.5 GiB."""

_PROGRAM = """
import sys
from pathlib import Path
from retina.cli import main
try:
    status = main(sys.argv[2:])
except SystemExit as end:
    status = end.code
sys.stdout.flush()
Path(sys.argv[1]).write_text(Path("/proc/self/status").read_text())
sys.exit(status)
"""


@dataclass(frozen=True)
class Run:
    """A command that has ended.

    Attributes:
        status: Its exit status.
        out: What it printed.
        err: What it said.
        seconds: From start to end, with the start of Python.
        peak: The most memory that it held, in MiB.
    """

    status: int
    out: str
    err: str
    seconds: float
    peak: float


def measured(folder: Path, *arguments: str | os.PathLike[str]) -> Run:
    """Run ``retina ARGUMENTS``; ``folder`` is any place to write."""
    report = folder / "status"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, report, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    seconds = time.perf_counter() - began
    return Run(done.returncode, done.stdout, done.stderr, seconds, peak_of(report))


def peak_of(status: Path) -> float:
    """The peak in MiB, by a process's ``/proc/PID/status``."""
    line = next(each for each in status.read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
