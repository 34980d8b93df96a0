"""Each benchmark runs, on a setting too small to measure anything, and prints its rows."""

import importlib
import re
from pathlib import Path

import pytest

from benchmarks import gpu, growth, page, training
from retina.datasets.synthetic import write_synthetic

SMALL = {
    "grade": ("--models resnet18 --sizes 64 --turns 1", ["bare forward", "grad-cam library"]),
    "engine": ("--models resnet18 --sizes 64 --turns 1", ["ONNX Runtime", "--engine onnxruntime"]),
    "photograph": ("--model resnet18 --image-size 64 --turns 1", ["usual / retina", "decode"]),
    "prepare": (
        "--pictures 2 --width 300 --image-size 64 --turns 1",
        ["filling the cache", "from the cache / without"],
    ),
    "triage": (
        "--pictures 6 --width 64 --models resnet18 --sizes 64 --turns 2",
        ["6 of 6 photographs", "triage / the", "bare in onnxruntime, batches of 16"],
    ),
    "growth": ("--rows 40 --pictures", ["table", "      40", "metrics"]),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_prints_its_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags, rows = SMALL[name]
    assert importlib.import_module(f"benchmarks.{name}").main(flags.split()) == 0
    printed = capsys.readouterr().out
    for row in rows:
        assert row in printed


def test_training_is_set_beside_a_plain_loop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_synthetic(tmp_path / "drawn", 20, size=64)
    sizes = "--image-size 32 --batch-size 4 --steps 2 --turns 1 --device cpu"

    assert training.main([*sizes.split(), "--data", str(tmp_path / "drawn")]) == 0

    assert re.search(r"plain loop +[\d.]+ +[\d.]+% +[\d.]+\n", capsys.readouterr().out)


def test_training_on_real_photographs_is_set_beside_steps_without_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_synthetic(tmp_path / "drawn", 20, size=64)
    sizes = "--model resnet18 --image-size 32 --batch-size 4 --steps 2 --turns 1 --device cpu"

    assert gpu.main([*sizes.split(), "--data", str(tmp_path / "drawn")]) == 0

    printed = capsys.readouterr().out
    assert "real / batch on the device" in printed
    assert "waiting for data" in printed


@pytest.mark.long
def test_the_page_is_timed_and_its_answers_are_compared(
    checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--checkpoints", str(checkpoints), "--model", "small", "--starts", "1"]

    assert page.main([*flags, "--clients", "2", "--calls", "1"]) == 0

    printed = capsys.readouterr().out
    assert float(re.findall(r"served +([\d.]+) s", printed)[0]) > 0
    assert "0 of 2 answers lost" in printed


def test_the_pictures_that_grow_in_number_all_differ(tmp_path: Path) -> None:
    growth.write_pictures(tmp_path / "drawn", 2 * growth.FEW)

    growth.read_and_split(tmp_path / "drawn")

    contents = {path.read_bytes() for path in (tmp_path / "drawn").glob("*.png")}
    assert len(contents) == 2 * growth.FEW
