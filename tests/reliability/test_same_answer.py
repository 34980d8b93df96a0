"""One photograph has one answer, whichever way it comes and however it is computed."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file

from retina.datasets.synthetic import draw_fundus
from retina.inference.grader import Grader
from tests.cli.shell import retina
from tests.reliability.conftest import Running

SAME = 1e-5
"""How far a probability may be from that of one photograph alone in one thread."""
ENGINES = 1e-4
"""And from that of the other engine."""
COUNT = 9  # more than a batch of triage


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photographs")
    files = [folder / f"{number}_left.png" for number in range(COUNT)]
    for number, file in enumerate(files):
        draw_fundus(number % 5, seed=number, size=160).save(file)
    return files


@pytest.fixture(scope="module")
def alone(checkpoints: Path, photographs: list[Path]) -> Iterator[list[Any]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    grader = Grader.load("small", checkpoints)
    yield [grader.grade(file).to_json() for file in photographs]
    torch.set_num_threads(threads)


def assert_same(found: list[Any], alone: list[Any], tolerance: float = SAME) -> None:
    assert len(found) == len(alone)
    for one, other in zip(found, alone, strict=True):
        assert one["grade"] == other["grade"]
        assert one["quality"]["verdict"] == other["quality"]["verdict"]
        np.testing.assert_allclose(
            one["probabilities"], other["probabilities"], rtol=0, atol=tolerance
        )


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads(
    checkpoints: Path, photographs: list[Path], alone: list[Any], threads: int
) -> None:
    torch.set_num_threads(threads)
    grader = Grader.load("small", checkpoints)
    assert_same([grader.grade(file).to_json() for file in photographs], alone)
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("engine", "tolerance"),
    [("torch", SAME), pytest.param("onnxruntime", ENGINES, marks=pytest.mark.long)],
)
def test_the_shell_and_its_engines(
    checkpoints: Path,
    photographs: list[Path],
    alone: list[Any],
    capsys: pytest.CaptureFixture[str],
    engine: str,
    tolerance: float,
) -> None:
    flags = ["--model", "small", "--checkpoints", str(checkpoints), "--engine", engine, "--json"]
    answer = retina(capsys, "grade", *photographs, *flags)
    assert_same(json.loads(answer.out), alone, tolerance)


def test_the_browsers_api(running: Running, photographs: list[Path], alone: list[Any]) -> None:
    client = Client(running.address, verbose=False, download_files=False)
    graded = [client.predict(handle_file(file), api_name="/grade")[0] for file in photographs[:2]]
    assert_same(graded, alone[:2])
    compared: Any = client.predict(handle_file(photographs[0]), api_name="/compare")
    assert_same(compared, alone[:1])
    files = [handle_file(file) for file in photographs]
    rows: Any = client.predict(files, api_name="/triage")
    assert_same([_as_answer(row) for row in sorted(rows, key=lambda row: row["image"])], alone)


def test_triage_in_batches(
    checkpoints: Path,
    photographs: list[Path],
    alone: list[Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ["--model", "small", "--checkpoints", str(checkpoints)]
    worklist = tmp_path / "worklist.csv"
    retina(capsys, "triage", photographs[0].parent, *flags, "--output", worklist)
    with worklist.open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["image"])
    assert_same([_as_answer(row) for row in rows], alone)


def _as_answer(row: Any) -> dict[str, Any]:
    """A worklist's row as an assessment."""
    return {
        "grade": int(row["grade"]),
        "probabilities": [float(row[f"p{grade}"]) for grade in range(5)],
        "quality": {"verdict": row["quality"]},
    }
