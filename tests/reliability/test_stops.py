"""Stopped at random moments by three signals, nothing is lost and nothing half-written is taken."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PER_WORK = {"train": 20, "prepare": 10, "triage": 10, "watch": 10}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is of POSIX")


def stopped(name: str, stops: int, seed: int, place: Path) -> dict[str, int]:
    """How often each signal struck; what must hold is asserted in ``tests.reliability.lives``."""
    with (place / "said").open("w+") as said:  # no pipe: a killed life's processes would hold it
        status = subprocess.call(
            [
                sys.executable,
                "-m",
                "tests.reliability.lives",
                name,
                str(stops),
                str(seed),
                str(place),
            ],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=said,
            stderr=said,
        )
        said.seek(0)
        lines = said.read().splitlines()
    assert status == 0, lines
    struck: dict[str, int] = json.loads(next(line for line in lines if line.startswith("{")))
    assert sum(struck.values()) == stops
    return struck


@pytest.mark.parametrize("name", ["prepare", "triage"])
def test_a_few_stops_lose_nothing(name: str, tmp_path: Path) -> None:
    stopped(name, 2, 0, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", PER_WORK)
def test_sixty_stops_lose_nothing(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    struck = stopped(name, PER_WORK[name], 7, tmp_path)
    assert len(struck) == 3
    told = ", ".join(f"{count} {number}" for number, count in sorted(struck.items()))
    record_property("figures", f"{name} was stopped {PER_WORK[name]} times ({told})")
