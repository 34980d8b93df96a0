"""Take the screenshots of the page for README.md and docs/clinic.md: each tab, drawn photographs.

``python -m scripts.screenshots``, or ``make screenshots``. ``--photograph FILE`` shows another
photograph, for private use.
"""

import argparse
import io
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from retina.datasets.synthetic import draw_fundus
from retina.web import text
from retina.web.text import models as models_text
from retina.web.text import triage as triage_text

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GRADE, SEED, SIZE = 3, 11, 1024
DAY = (0, 0, 2, 0, 1, 0, 4, 3, 0, 0)
"""The grades of the eyes in a triage session, a left and a right one per patient."""

SIGHTS = {
    "wide": (1440, "light"),
    "wide-dark": (1440, "dark"),
    "phone": (390, "light"),
    "phone-dark": (390, "dark"),
}


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images", metavar="DIR")
    parser.add_argument("--photograph", type=Path, metavar="FILE", help="default: a drawn one")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints", metavar="DIR")
    parser.add_argument("--port", type=int, default=7879)
    parser.add_argument("--all", action="store_true", help="both widths in both themes")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    sights = SIGHTS if options.all else {name: SIGHTS[name] for name in ("wide", "phone-dark")}
    with (
        tempfile.TemporaryDirectory() as folder,
        served(options.port, options.checkpoints) as address,
        sync_playwright() as playwright,
    ):
        photograph = options.photograph
        if photograph is None:
            photograph = Path(folder) / "drawn.jpg"
            draw_fundus(GRADE, SEED, SIZE).save(photograph, quality=95)
        day = drawn_day(Path(folder))
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, BROWSERS)), None),
            args=["--no-sandbox", "--disable-gpu"],
        )
        for name, (width, theme) in sights.items():
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(f"{address}?__theme={theme}")
            walk(page, photograph, day, options.output, name)
            page.close()
        browser.close()


def drawn_day(folder: Path) -> list[Path]:
    """Draw the photographs of a triage session, and one that is black."""
    files = []
    for number, grade in enumerate(DAY):
        file = folder / f"{101 + number // 2}_{('left', 'right')[number % 2]}.jpg"
        draw_fundus(grade, SEED + number, SIZE).save(file, quality=90)
        files.append(file)
    dark = folder / "106_left.jpg"
    Image.new("RGB", (SIZE, SIZE), "black").save(dark)
    return [*files, dark]


@contextmanager
def served(port: int, checkpoints: Path) -> Iterator[str]:
    """Serve the page; yield its address."""
    command = [sys.executable, "app.py", "--port", str(port), "--checkpoints", str(checkpoints)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            sys.exit("error: the page did not open; see the message above")
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)


def walk(page: Page, photograph: Path, day: list[Path], output: Path, sight: str) -> None:
    """Use each tab, and take a screenshot of it."""

    def take(tab: str) -> None:
        page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
        # A third of the size of PNG; a palette would change the colours of retina and grades.
        picture.save(output / f"{tab}-{sight}.webp", quality=90, method=6)

    patience = 60_000
    page.locator("#grade-upload input[type=file]").set_input_files(photograph)
    page.get_by_role("button", name=text.BUTTON_GRADE, exact=True).click(timeout=patience)
    expect(page.locator("#assessment")).to_contain_text(photograph.name, timeout=patience)
    page.get_by_role("button", name=text.HEATMAP).click()
    take("grade")
    page.get_by_role("tab", name=text.TAB_COMPARE).click()
    page.get_by_role("button", name=text.BUTTON_COMPARE, exact=True).click(timeout=patience)
    expect(page.get_by_role("article").first).to_be_visible(timeout=patience)
    for switch in page.get_by_role("article").get_by_role("button", name=text.HEATMAP).all():
        switch.click()
    take("compare")
    page.get_by_role("tab", name=triage_text.TAB).click()
    page.locator("#triage-upload input[type=file]").set_input_files(day)
    page.get_by_role("button", name=triage_text.BUTTON).click(timeout=patience)
    expect(page.get_by_role("link", name=triage_text.DOWNLOAD)).to_be_visible(timeout=patience)
    take("triage")
    page.get_by_role("tab", name=text.TAB_MODELS).click()
    expect(page.get_by_text(models_text.CARD, exact=True)).to_be_visible(timeout=patience)
    take("models")


if __name__ == "__main__":
    main()
