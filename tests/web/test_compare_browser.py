import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from retina.web import text
from tests.web.conftest import PHOTOGRAPH, expect_photograph, on_both, served, upload


@contextmanager
def comparing(browser: Browser, checkpoints: Path) -> Iterator[Page]:
    """The page of these models, while they compare a photograph."""
    with served("--checkpoints", str(checkpoints)) as address:
        page = browser.new_page()
        page.goto(address)
        page.get_by_role("tab", name="Compare").click()
        upload(page, "compare", PHOTOGRAPH)
        page.get_by_role("button", name="Compare", exact=True).click()
        yield page
        page.close()


def test_a_comparison_can_be_cancelled(browser: Browser, checkpoints: Path, tmp_path: Path) -> None:
    for number in range(12):
        shutil.copytree(checkpoints / "resnet18-scratch", tmp_path / f"model{number}")
    with comparing(browser, tmp_path) as page:
        page.locator("#cancel").click()
        expect(page.locator("#cancel")).to_be_hidden()
        expect(page.locator("#agreement")).to_have_text("")
        page.wait_for_timeout(2000)
        expect(page.get_by_role("article")).to_have_count(0)
        expect(page.locator("#agreement")).to_have_text("")


@on_both
def test_all_models_stand_side_by_side(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    expect_photograph(page, "grade")
    page.get_by_role("tab", name="Compare").click()
    expect_photograph(page, "compare")  # carried over
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#agreement")).to_contain_text("The models disagree")
    expect(page.locator("#cancel")).to_be_hidden()
    for name in ("resnet18-pretrained", "resnet18-scratch"):
        card = page.get_by_role("article", name=name)
        expect(card.get_by_role("heading", name=name)).to_be_visible()
        expect(card.locator(".bars")).to_have_count(1)
        card.get_by_role("button", name=text.HEATMAP).click()
        expect(card.locator("img.heat")).to_be_visible()
    scratch = page.get_by_role("article", name="resnet18-scratch")
    expect(scratch.locator(".matrix .marked")).to_have_count(6)


def test_two_of_three_models_can_be_looked_at_closely(
    browser: Browser, checkpoints: Path, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        shutil.copytree(checkpoints / "resnet18-scratch", tmp_path / name)
    with comparing(browser, tmp_path) as page:
        for name in ("one", "two", "three"):  # the third takes the place of the first
            card = page.get_by_role("article", name=name, exact=True)
            card.get_by_label(text.CLOSER).check()
            if name == "two":
                expect(page.get_by_role("article")).to_have_count(2)
                page.get_by_role("article", name="one", exact=True).get_by_label(
                    text.CLOSER
                ).uncheck()
        shown = page.get_by_role("article")
        expect(shown).to_have_count(2)
        assert [shown.nth(n).get_attribute("aria-label") for n in range(2)] == ["three", "two"]


@on_both
def test_compare_follows_the_photograph_of_grade(page: Page) -> None:
    for example in (0, 3):
        page.get_by_role("tab", name="Grade").click()
        page.locator("#grade-examples button").nth(example).click()
        expect(page.locator("#grade-upload")).to_contain_text(f"drawn-grade-{example}")
        page.get_by_role("tab", name="Compare").click()
        expect(page.locator("#compare-upload")).to_contain_text(f"drawn-grade-{example}")
        expect(page.locator("#agreement")).to_have_text("")
        page.get_by_role("button", name="Compare", exact=True).click()
        expect(page.locator("#agreement p")).not_to_have_count(0)
        expect_photograph(page, "compare")
