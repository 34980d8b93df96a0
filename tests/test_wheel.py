"""A wheel, installed into an environment of its own, and used where there is no clone."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pandas as pd
import pytest

from retina.datasets.synthetic import draw_fundus
from retina.version import __version__
from tests.drawn_set import put_small_set

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")


@dataclass(frozen=True)
class Installed:
    """The console script, a folder to use it in, and the variables to use it with."""

    program: Path
    here: Path
    environment: dict[str, str]

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.program), *arguments],
            cwd=self.here,
            env=self.environment | variables,
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    source, home = folder / "source", folder / "environment"
    shutil.copytree(
        ROOT / "retina", source / "retina", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    alone = ["--no-deps", "--no-index"]
    build = ["wheel", "--no-build-isolation", *alone, "-w", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True)
    [wheel] = folder.glob("retina_dr-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", *alone, str(wheel)], check=True)
    # What retina requires is there already; only retina itself is the wheel's.
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "required.pth").write_text(sysconfig.get_path("purelib") + "\n")
    here = folder / "here"
    here.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RETINA_")}
    cache = {"RETINA_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return Installed(home / "bin" / "retina", here, kept | cache)


def test_the_wheel_holds_all_that_a_command_needs(installed: Installed) -> None:
    answer = installed.run("--version")
    assert (answer.returncode, answer.stdout) == (0, f"retina {__version__}\n")

    answer = installed.run("models")
    assert (answer.returncode, answer.stdout) == (0, "")
    assert "no model in checkpoints: train one with `retina train`" in answer.stderr

    answer = installed.run("models", RETINA_CHECKPOINTS=str(ROOT / "checkpoints"))
    assert "resnet18-scratch" in answer.stdout


@pytest.mark.long
def test_the_wheel_grades_and_trains(installed: Installed) -> None:
    draw_fundus(3, seed=5, size=256).save(installed.here / "eye.png")
    asked = ["grade", "eye.png", "--json", "--anyway", "--model"]
    answer = installed.run(*asked, "resnet18-scratch", "--checkpoints", str(ROOT / "checkpoints"))
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)[0]["grade"] in range(5)

    put_small_set(Path(installed.environment["RETINA_CACHE"]))
    flags = ["--model", "resnet18", "--scratch", "--epochs", "1", "--batch-size", "4"]
    flags += ["--image-size", "32", "--output", "runs/first"]
    answer = installed.run("train", "--data", "synthetic", *flags)
    assert answer.returncode == 0, answer.stderr
    runs = installed.here / "runs/first"
    assert pd.read_csv(runs / "comparison.csv")["model"].tolist() == ["resnet18-scratch"]
    assert "retina train --data synthetic" in (runs / "report.html").read_text(encoding="utf-8")

    answer = installed.run(*asked, "resnet18-scratch", RETINA_CHECKPOINTS=str(runs))
    assert json.loads(answer.stdout)[0]["model"] == "resnet18-scratch"


@pytest.mark.long
@pytest.mark.parametrize("checkpoints", [None, ROOT / "checkpoints"], ids=["none", "shipped"])
def test_the_wheel_opens_the_page(installed: Installed, checkpoints: Path | None) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    named = {} if checkpoints is None else {"RETINA_CHECKPOINTS": str(checkpoints)}
    with subprocess.Popen(
        [str(installed.program), "demo", "--port", str(port)],
        cwd=installed.here,
        env=installed.environment | named,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert f":{port}" in process.stdout.readline(), "the page did not open"
            with urlopen(f"http://127.0.0.1:{port}/config") as answer:
                page = answer.read().decode()
        finally:
            process.send_signal(signal.SIGTERM)
    assert ("retina train --data synthetic" in page) == (checkpoints is None)
    assert ("resnet50-scratch" in page) == (checkpoints is not None)
