"""What holds for every test: nothing of the user's is touched, nothing calls home."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Read when the libraries are imported, which happens while the tests are collected.
os.environ["MPLBACKEND"] = "Agg"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# A shell's "&" has it ignored, and the programs that tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests told of themselves by ``record_property("figures", ...)``."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # One for all tests, so that photographs are drawn and prepared once.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETINA_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RETINA_DATA", str(tmp_path_factory.mktemp("user-data")))
        yield


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photographs in Kaggle's layout, as ``tests.checkpoints`` says; to be read only."""
    from tests.checkpoints import draw_data

    return draw_data(tmp_path_factory.mktemp("data") / "drawn")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, drawn_data: Path) -> Path:
    """A folder that holds the checkpoint ``small``, which knows ``drawn_data``; to be read only."""
    from retina.datasets.catalog import read_folder
    from retina.models.config import DataSource
    from tests.checkpoints import save_small, split_data

    folder = tmp_path_factory.mktemp("models")
    source = DataSource("drawn", 20, read_folder(drawn_data).fingerprint, "none")
    save_small(folder / "small", data=source)
    split_data(folder / "small", drawn_data)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Chromium, one for all tests: Playwright starts but once in a process."""
    from playwright.sync_api import Error as PlaywrightError
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        except PlaywrightError as error:
            pytest.fail(
                "there is no Chromium for the browser tests: run `python -m playwright install "
                f"chromium`, or install your system's chromium or google-chrome. {error}"
            )
        yield browser
        browser.close()
