"""The page, running as a user runs it, with two small models; and a browser to look at it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from retina.images.prepare import Preprocessing
from retina.models.architectures import build
from retina.models.checkpoint import save_checkpoint
from retina.models.checkpoint_folder import METRICS_FILE
from retina.models.config import CheckpointConfig, DataSource, StartedFrom

# Answers take well under a second; machines that run other things meanwhile get time.
expect.set_options(timeout=30_000)

REPOSITORY = Path(__file__).parents[2]
GOLDENS = Path(__file__).parent / "goldens"
# Drawn once by retina.datasets.synthetic.draw_fundus(2, seed=11, size=256), and kept as a file so
# that the goldens do not change with the drawing.
PHOTOGRAPH = GOLDENS / "photograph.png"

MATRIX = [[50, 4, 1, 0, 0], [6, 9, 5, 0, 0], [3, 6, 30, 4, 2], [0, 0, 5, 6, 1], [0, 0, 3, 2, 8]]
WIDE_LIGHT, PHONE_DARK = (1440, 900, "light"), (390, 844, "dark")
WIDE_DARK, PHONE_LIGHT = (1440, 900, "dark"), (390, 844, "light")

on_both = pytest.mark.parametrize(
    "page",
    [
        pytest.param(WIDE_LIGHT, id="wide-light"),
        pytest.param(PHONE_DARK, id="phone-dark"),
        pytest.param(WIDE_DARK, id="wide-dark", marks=pytest.mark.long),
        pytest.param(PHONE_LIGHT, id="phone-light", marks=pytest.mark.long),
    ],
    indirect=True,
)
"""Both widths, each in one of the themes; in the other one too where tests may take long."""

STARTED_FROM = StartedFrom("file", "weights of a test", "0" * 64)


def make_checkpoint(folder: Path, seed: int, config: CheckpointConfig) -> None:
    """A ResNet-18 that NumPy's generator fills, so that PyTorch's may change."""
    generator = np.random.default_rng(seed)
    model = build(config.architecture)
    for name, weights in model.named_parameters():
        if weights.dim() > 1:
            spread = np.sqrt(2 / np.prod(weights.shape[1:]))
            values = generator.normal(0, spread, tuple(weights.shape))
            weights.data = torch.from_numpy(values.astype(np.float32))
        elif name == "fc.bias":
            weights.data.zero_()
    save_checkpoint(folder, model, config)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    config = CheckpointConfig(
        name="resnet18-scratch",
        architecture="resnet18",
        preprocessing=Preprocessing(size=128),
        data=DataSource("nothing", rows=0, fingerprint="", terms="none"),
        temperature=40.0,
        heatmap_scale=4.0,
    )
    make_checkpoint(folder / "resnet18-scratch", 4, config)
    metrics = {"n": int(np.sum(MATRIX)), "confusion_matrix": MATRIX}
    (folder / "resnet18-scratch" / METRICS_FILE).write_text(json.dumps(metrics))
    pretrained = replace(config, name="resnet18-pretrained", initial_weights=STARTED_FROM)
    make_checkpoint(folder / "resnet18-pretrained", 6, pretrained)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(*flags: str, **variables: str) -> Iterator[str]:
    """``python app.py`` on a free port; gives its address, and ends it as Ctrl-C does."""
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port), *flags]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert f"http://127.0.0.1:{port}/" in line, "the page did not open; see stderr above"
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="session")
def address(checkpoints: Path) -> Iterator[str]:
    with served("--checkpoints", str(checkpoints)) as address:
        yield address


@dataclass(frozen=True)
class Guarded:
    """A page that one may enter, with a log, that takes no file above a megabyte."""

    address: str
    user: tuple[str, str]
    log: Path


@pytest.fixture(scope="session")
def guarded(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    user = ("ada", "lovelace")
    (folder / "users").write_text(":".join(user))
    flags = ["--auth-file", str(folder / "users"), "--log", str(folder / "log")]
    # Neither a hospital's proxy nor another Gradio app's settings may reach the page.
    others = {"HTTP_PROXY": f"http://127.0.0.1:{free_port()}", "GRADIO_ALLOWED_PATHS": "/"}
    flags += ["--checkpoints", str(checkpoints), "--max-file-size", "1"]
    with served(*flags, **others) as address:
        yield Guarded(address, user, folder / "log")


@contextmanager
def open_page(
    browser: Browser, address: str, width: int = 1440, height: int = 900, theme: str = "light"
) -> Iterator[Page]:
    """A page in a new tab; at the end, nothing complained and nobody else was called."""
    page = browser.new_page(viewport={"width": width, "height": height})
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("response", lambda r: complaints.append(r.url) if r.status >= 400 else None)
    page.on("request", lambda r: hosts.add(urlsplit(r.url).netloc))
    page.goto(f"{address}?__theme={theme}")
    yield page
    page.close()
    assert complaints == []
    assert hosts - {""} == {urlsplit(address).netloc}  # "": data: and blob: addresses


@pytest.fixture
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    with open_page(browser, address, *getattr(request, "param", WIDE_LIGHT)) as page:
        yield page


def upload(page: Page, tab: str, *files: Path) -> None:
    page.locator(f"#{tab}-upload input[type=file]").set_input_files(files)


def expect_photograph(page: Page, tab: str) -> None:
    picture = page.locator(f"#{tab}-photograph img.photograph").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
