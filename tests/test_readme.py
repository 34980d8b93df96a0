"""Every command of README.md is run, as it stands there or, where it takes long, made short."""

import contextlib
import os
import re
import runpy
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retina.datasets.synthetic import draw_fundus
from retina.errors import WeightsError
from retina.training import experiment
from tests.drawn_set import put_small_set

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(
    r"^```(\w+)\n(.+?)^```$",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
COMMANDS = [
    line.partition("  #")[0].strip()
    for language, code in BLOCKS
    if language == "sh"
    for line in code.splitlines()
]

NOT_HERE = {"make demo", "make test"}
AS_THEY_STAND = {
    "python -m retina models": "efficientnet_lite0-pretrained",
    "python -m retina grade photograph.jpg --model efficientnet_lite0-pretrained": "photograph.jpg",
    "python -m retina triage FOLDER --model efficientnet_lite0-pretrained "
    "--output worklist.csv": "",
    "python -m retina check-data data": "APTOS, 20 rows, 20 photographs",
    "python -m retina evaluate --model resnet18-scratch --data data": "kappa",
    "python -m retina compare resnet18-scratch resnet18-pretrained --data data": "cannot be told",
}
"""What a command prints, among other things."""

SHORT = ["--epochs", "1", "--image-size", "32", "--batch-size", "4", "--workers", "0"]
MADE_SHORT = {
    "python train.py --data synthetic --model resnet18 --scratch --epochs 10 --image-size 128 "
    "--lr 0.02": ["resnet18-scratch"],
    "python train.py --data data --output runs/lab": ["resnet18-scratch", "resnet50-scratch"],
}
"""The runs of which a training's comparison tells; without weights from elsewhere, half of them."""

SERVES = "python app.py"
IN_PARALLEL = "torchrun --nproc-per-node 4 train.py --data data --output runs/lab --resume"


@pytest.fixture
def clone(
    tmp_path: Path,
    drawn_data: Path,
    checkpoints: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A clone with a photograph, a folder of them and data, and with models that know the data."""
    for name in ("retina", "app.py", "train.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "data").symlink_to(drawn_data)
    (tmp_path / "FOLDER").mkdir()
    draw_fundus(3, seed=5, size=256).save(tmp_path / "photograph.jpg")
    shutil.copy(tmp_path / "photograph.jpg", tmp_path / "FOLDER")
    models = tmp_path / "checkpoints"
    models.mkdir()
    shipped = "efficientnet_lite0-pretrained"
    shutil.copytree(ROOT / "checkpoints" / shipped, models / shipped)
    for name in ("resnet18-scratch", "resnet18-pretrained"):
        shutil.copytree(checkpoints / "small", models / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def python(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run ``python ...`` in this process; it must exit with 0."""
    program, *words = shlex.split(command)
    assert program == "python"
    is_module = words[0] == "-m"
    run = runpy.run_module if is_module else runpy.run_path
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", words[is_module:])
        with pytest.raises(SystemExit) as end:
            run(words[is_module], run_name="__main__")
    assert end.value.code == 0


def test_every_command_is_run_by_a_test() -> None:
    run = {*NOT_HERE, *AS_THEY_STAND, *MADE_SHORT, SERVES, IN_PARALLEL}
    assert sorted(COMMANDS) == sorted(run)
    assert [language for language, _ in BLOCKS if language != "sh"] == ["python"]


@pytest.mark.parametrize("command", AS_THEY_STAND)
def test_commands_as_they_stand(
    command: str,
    clone: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python(command, monkeypatch)
    assert AS_THEY_STAND[command] in capsys.readouterr().out
    if "--output" in command:
        assert pd.read_csv("worklist.csv")["image"].tolist() == ["photograph.jpg"]


def test_the_python_example(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [code] = [code for language, code in BLOCKS if language == "python"]
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert re.fullmatch(r"[0-4] .+ \(\d\.\d+.*\)\n", capsys.readouterr().out)
    assert names["assessment"].heatmap.ndim == 2


def no_network(*_: object) -> Any:
    raise WeightsError("ImageNet weights could not be fetched (no network)")


@pytest.mark.long
@pytest.mark.parametrize("command", MADE_SHORT)
def test_training_made_short(
    command: str,
    clone: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RETINA_CACHE", str(clone / "cache"))
    monkeypatch.setattr(experiment, "resolve_pretrained", no_network)
    put_small_set(clone / "cache")
    python(shlex.join([*shlex.split(command), *SHORT]), monkeypatch)
    [table] = clone.glob("runs/*/comparison.csv")
    assert pd.read_csv(table)["model"].tolist() == MADE_SHORT[command]


@pytest.mark.long
def test_training_in_parallel(clone: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--master-port", str(free_port())]
    # The half that asks for no weights, as no download is to be tried here.
    short = [*SHORT, "--model", "resnet18", "--scratch", "--device", "cpu", "--batch-size", "8"]
    done = subprocess.run(
        [*torchrun, *shlex.split(IN_PARALLEL)[1:], *short],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert pd.read_csv("runs/lab/comparison.csv")["model"].tolist() == ["resnet18-scratch"]


@pytest.mark.long
def test_the_page_opens_where_the_readme_says(clone: Path) -> None:
    address = "http://127.0.0.1:7860"
    assert f"<{address}>" in (ROOT / "README.md").read_text(encoding="utf-8")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 7860)) == 0:
            pytest.skip("port 7860 of this machine is taken")
    with opened(SERVES) as line:
        assert address in line


@contextlib.contextmanager
def opened(command: str) -> Iterator[str]:
    """The first line that a server prints; it is ended as Ctrl-C does."""
    words = [sys.executable, *shlex.split(command)[1:]]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline()
        finally:
            process.send_signal(signal.SIGINT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
