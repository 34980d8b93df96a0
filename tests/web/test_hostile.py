"""Files and checkpoints whose names are HTML, through the whole page in a browser: nothing acts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from retina.images.prepare import Preprocessing
from retina.models.config import CheckpointConfig, DataSource, OperatingPoint, StartedFrom
from retina.web import text
from retina.web.text import models as models_text
from retina.web.text import triage as triage_text
from tests.web.conftest import (
    PHOTOGRAPH,
    expect_photograph,
    make_checkpoint,
    open_page,
    served,
    upload,
)
from tests.web.test_models_tab import fill

ACTS = "<img src=x onerror=window.struck=1>\"'><svg onload=window.struck=1>"
MODEL = f"resnet18 {ACTS} &amp;"
NAMES = [f"1_left {ACTS}.png", f"1_right\n{ACTS}.png", f"broken {ACTS}.png"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photographs")
    files = [folder / name for name in NAMES]
    for file in files[:2]:
        file.write_bytes(PHOTOGRAPH.read_bytes() + file.name.encode())
    files[2].write_text("no photograph")
    return files


@pytest.fixture(scope="module")
def opened(photographs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page on which names are hostile wherever a file or a checkpoint can have one."""
    folder = tmp_path_factory.mktemp("models")
    config = CheckpointConfig(
        name=MODEL,
        architecture="resnet18",
        preprocessing=Preprocessing(size=64),
        data=DataSource(ACTS, 7, ACTS, ACTS),
        referable=OperatingPoint(0.5, ACTS, ACTS),
        initial_weights=StartedFrom("file", ACTS, ACTS),
        training={"start": ACTS, "recipe": ACTS, "teacher": {"name": ACTS}},
        code_version=ACTS,
    )
    make_checkpoint(folder / MODEL, 4, config)
    fill(folder / MODEL)
    (folder / MODEL / "README.md").write_text(f"# {ACTS}\n\n[{ACTS}](javascript:struck=1)\n")
    other_set = folder / MODEL / "evaluations" / "elsewhere.json"
    other_set.rename(other_set.with_name(f"{ACTS}.json"))
    (folder / f"broken {ACTS}").mkdir()
    (folder / f"broken {ACTS}" / "config.json").write_text(json.dumps({"format": ACTS}))
    places = {"--checkpoints": folder, "--examples": photographs[0].parent}
    places |= {"--audit-log": folder / "audit.jsonl"}
    with served(*(str(each) for flag in places.items() for each in flag)) as address:
        yield address


def test_no_name_acts(browser: Browser, opened: str, photographs: list[Path]) -> None:
    with open_page(browser, opened) as page:

        def unharmed() -> None:
            assert page.evaluate("window.struck") is None
            assert page.locator("img[src=x], svg[onload], a[href^=javascript]").count() == 0

        expect(page.locator("body")).to_contain_text(f"from {ACTS}")
        upload(page, "grade", *photographs[:2])
        page.get_by_role("button", name=text.BUTTON_GRADE, exact=True).click()
        expect(page.locator("#filing")).to_be_visible()
        page.locator("#verdict-grade").get_by_text(text.AGREE).click()
        page.locator("#verdict-record").click()
        expect(page.locator("#verdict-told")).to_contain_text("Recorded")
        expect(page.locator("#assessment section.assessment")).to_have_count(2)
        expect(page.locator("#assessment")).to_contain_text(MODEL)
        unharmed()
        page.get_by_role("tab", name=text.TAB_COMPARE).click()
        expect_photograph(page, "compare")  # the one that is carried over
        page.get_by_role("button", name=text.BUTTON_COMPARE).click()
        expect(page.locator("#compared article")).to_contain_text(MODEL)
        unharmed()
        page.get_by_role("tab", name=triage_text.TAB).click()
        upload(page, "triage", *photographs)
        page.get_by_role("button", name=triage_text.BUTTON).click()
        expect(page.locator("#worklist tbody tr")).to_have_count(3)
        expect(page.locator("#worklist tbody")).to_contain_text(NAMES[0])
        unharmed()
        page.get_by_role("tab", name=text.TAB_MODELS).click()
        closely = page.locator("#model-closely")
        expect(closely.locator("figure")).to_have_count(4, timeout=60_000)
        closely.get_by_text(models_text.CARD, exact=True).click()
        for where in (page.locator("#models-table"), closely):
            expect(where).to_contain_text(ACTS)
        expect(page.locator("#models-table")).to_contain_text(f"On {ACTS}")
        unharmed()
