"""The page to those who use it by keyboard or screen reader, at 400 %, or click twice."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from retina.explain.methods import GRAD_CAM
from retina.models.config import WEIGHTS_FILE
from retina.web import text
from tests.web.conftest import PHOTOGRAPH, on_both, open_page, served, upload

FOCUSED = """() => {
    const focus = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(focus);
    const names = [focus.ariaLabel, focus.value, focus.textContent.trim()];
    return [...names, `${outlineStyle} ${outlineWidth}`];
}"""


def graded(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    expect(page.locator("#grade-photograph img.photograph")).to_be_visible()
    page.get_by_role("button", name="Grade", exact=True).click()
    expect(page.locator("#assessment")).to_contain_text(PHOTOGRAPH.name)


def top(page: Page, selector: str) -> float:
    return float(page.locator(selector).evaluate("each => each.getBoundingClientRect().top"))


@on_both
def test_an_answer_moves_nothing_above_it(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    expect(page.locator("#grade-photograph img.photograph")).to_be_visible()
    button = page.get_by_role("button", name="Grade", exact=True)
    button.scroll_into_view_if_needed()
    before = button.bounding_box()
    button.click()
    expect(page.locator("#assessment")).to_contain_text(PHOTOGRAPH.name)
    expect(page.locator("#grade-photograph img.heat")).to_have_count(1)
    page.wait_for_timeout(300)
    assert button.bounding_box() == before


def test_what_the_reader_has_set_outlives_answer_and_method(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    expect(page.locator("#grade-photograph img.photograph")).to_be_visible()
    viewer = page.locator("#grade-photograph .viewer")
    canvas = viewer.locator(".canvas")
    page.get_by_role("button", name=text.VIEW_RED_FREE).click()
    page.get_by_role("button", name=text.ZOOM_IN).click()
    zoomed = str(canvas.get_attribute("style"))
    assert "scale(1.5)" in zoomed
    page.get_by_role("button", name="Grade", exact=True).click()
    page.get_by_role("button", name=text.HEATMAP).click()
    page.get_by_label(text.OPACITY).fill("30")
    page.get_by_label("Eigen-CAM").check()
    expect(page.get_by_text(text.heatmap_caption("Eigen-CAM"))).to_be_visible()
    expect(viewer.locator("img.heat")).to_have_css("opacity", "0.3")
    expect(page.get_by_label(text.OPACITY)).to_have_value("30")
    expect(viewer).to_have_attribute("data-view", "red-free")
    expect(page.get_by_role("button", name=text.VIEW_RED_FREE)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(canvas).to_have_attribute("style", zoomed)

    page.locator("#grade-examples button").nth(1).click()
    expect(page.locator("#grade-upload")).to_contain_text("drawn-grade-1")
    expect(viewer).to_have_attribute("data-view", "photograph")
    expect(viewer).not_to_have_class("zoomed")


def test_a_double_click_asks_once(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    expect(page.locator("#grade-photograph img.photograph")).to_be_visible()
    asked: list[str] = []

    def note(request: Request) -> None:
        sent = request.post_data_json if "queue/join" in request.url else None
        if sent and len(sent["data"]) == 2:  # photographs and model
            asked.append(request.url)

    page.on("request", note)
    page.get_by_role("button", name="Grade", exact=True).dblclick()
    expect(page.locator("#assessment")).to_contain_text(PHOTOGRAPH.name)
    page.wait_for_timeout(300)
    assert len(asked) == 1


def test_an_answer_is_said_to_a_screen_reader(page: Page) -> None:
    said = page.locator("#said")
    expect(said).to_have_role("status")
    expect(said).to_have_text("")
    graded(page)
    label = page.locator("#assessment .grade").inner_text().split()[-1]
    expect(said).to_contain_text(label)
    verdict = page.locator("#assessment .referral strong").inner_text()
    expect(said).to_contain_text(verdict)
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(said).to_have_text(page.locator("#agreement p").first.inner_text())


def test_no_name_of_gradios_is_said_for_its_words(page: Page) -> None:
    graded(page)
    [done] = text.GRADIO.values()
    expect(page.get_by_role("status").filter(has_text=done)).to_have_count(1)
    assert "common." not in page.locator("body").inner_text()


def go_to(page: Page, name: str, key: str) -> None:
    """Press a key until something of that name has the focus, and shows it."""
    for _ in range(40):
        page.keyboard.press(key)
        focused = page.evaluate(FOCUSED)
        if name in focused:
            assert focused[-1] == "solid 3px"
            return
    pytest.fail(f"{key} does not reach {name}")


def test_the_keyboard_alone_grades_an_example_and_shows_where_it_is(page: Page) -> None:
    expect(page.get_by_role("button", name=text.drawn_example(2)).first).to_be_visible()
    go_to(page, text.drawn_example(2), "Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Grade", exact=True)).to_be_enabled()
    go_to(page, "Grade", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#assessment")).to_contain_text("drawn-grade-2")
    go_to(page, text.MODEL, "Shift+Tab")  # Which chooses nothing, so the answer stays.
    go_to(page, text.HEATMAP, "Shift+Tab")
    page.keyboard.press("Space")
    expect(page.locator("#grade-photograph img.heat")).to_be_visible()
    expect(page.locator("#method input").first).to_be_visible()
    go_to(page, GRAD_CAM, "Tab")
    page.wait_for_timeout(300)
    expect(page.locator("#assessment")).to_contain_text("drawn-grade-2")


@pytest.fixture
def narrow(browser: Browser, address: str) -> Iterator[Page]:
    """A window as wide as a phone held upright, or a screen of 1280 pixels at 400 %."""
    with open_page(browser, address, 320, 480) as page:
        yield page


def test_nothing_scrolls_sideways_at_400_percent(narrow: Page) -> None:
    graded(narrow)
    narrow.get_by_role("button", name=text.HEATMAP).click()
    assert narrow.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_model_that_cannot_be_loaded_keeps_no_other_from_comparing(
    browser: Browser, checkpoints: Path, tmp_path: Path
) -> None:
    for name in ("broken", "whole"):
        shutil.copytree(checkpoints / "resnet18-scratch", tmp_path / name)
    (tmp_path / "broken" / WEIGHTS_FILE).write_bytes(b"cut off")
    with (
        served("--checkpoints", str(tmp_path)) as address,
        open_page(browser, address) as page,
    ):
        page.get_by_role("tab", name="Compare").click()
        upload(page, "compare", PHOTOGRAPH)
        page.get_by_role("button", name="Compare", exact=True).click()
        expect(page.get_by_role("article")).to_have_count(1)
        expect(page.locator("#agreement")).to_contain_text("Left out: model.safetensors of")
