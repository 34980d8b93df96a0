import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Barrier

import pytest
from joblib import cpu_count  # type: ignore[import-untyped]

from retina.datasets.parallel import Unreadable, map_pictures
from retina.errors import DataError

ROOT = Path(__file__).resolve().parents[2]

UNGUARDED = """
import multiprocessing
from retina.datasets.parallel import map_pictures
from os.path import basename

multiprocessing.set_start_method("spawn")
print(",".join(map_pictures(basename, [f"x/{n}" for n in range(200)], "Working")))
"""

ENDLESS = """
import time
from retina.datasets.parallel import map_pictures

def work(path):
    time.sleep(0.01)
    return path

for done in map_pictures(work, [str(n) for n in range(5000)], "Working"):
    print("at work", flush=True)
"""


def length(path: str) -> int:
    if path == "bad":
        raise DataError("bad is bad.")
    return len(path)


@pytest.mark.parametrize("count", [3, 150])
def test_results_come_in_order_and_errors_in_their_place(
    count: int, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = ["x" * number for number in range(count)]
    paths[1] = "bad"
    results = list(map_pictures(length, paths, "Measuring"))
    assert results == [0, Unreadable("bad", "bad is bad."), *range(2, count)]
    assert capfd.readouterr().out == ""


def test_a_fault_of_the_program_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_pictures(divide, ["a"], "Dividing"))


def divide(path: str) -> float:
    return len(path) / 0


def test_a_script_without_a_main_guard_runs_once_where_processes_are_spawned(
    tmp_path: Path,
) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == ",".join(str(number) for number in range(200))


@pytest.mark.skipif(cpu_count() < 2, reason="there is one core")
def test_a_few_pictures_are_worked_on_at_once() -> None:
    names = [f"{number}" for number in range(4)]
    meeting = Barrier(2, timeout=20)

    def meet(path: str) -> str:
        meeting.wait()
        return path

    assert list(map_pictures(meet, names, "Meeting")) == names


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="groups of processes are of POSIX")
def test_processes_end_with_the_one_that_they_serve(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ENDLESS)
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as served:
        assert served.stdout is not None
        assert served.stdout.readline() == b"at work\n"
        os.killpg(served.pid, 0)
        served.kill()
    until = time.monotonic() + 20
    with suppress(ProcessLookupError):
        while True:
            os.killpg(served.pid, 0)
            assert time.monotonic() < until
            time.sleep(0.1)
