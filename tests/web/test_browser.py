from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Page, expect

from retina.inference.grader import Grader
from retina.scale import LABELS, NOT_ASSESSED, RESEARCH_ONLY
from retina.web import text
from tests.web.conftest import PHOTOGRAPH, STARTED_FROM

# Answers take well under a second; machines that run other things meanwhile get time.
expect.set_options(timeout=30_000)

WIDE_LIGHT, PHONE_DARK = (1440, 900, "light"), (390, 844, "dark")
on_both = pytest.mark.parametrize(
    "page", [WIDE_LIGHT, PHONE_DARK], ids=["wide-light", "phone-dark"], indirect=True
)


@pytest.fixture
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, just opened; at the end, nothing complained and nobody else was called."""
    width, height, theme = getattr(request, "param", WIDE_LIGHT)
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


def upload(page: Page, tab: str, file: Path) -> None:
    page.locator(f"#{tab}-upload input[type=file]").set_input_files(file)


def grade(page: Page) -> str:
    page.get_by_role("button", name="Grade", exact=True).click()
    expect(page.locator("#assessment")).to_contain_text(PHOTOGRAPH.name)
    return page.locator("#assessment").inner_text()


def expect_picture(page: Page, elem_id: str) -> None:
    picture = page.locator(f"#{elem_id} img")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 100


@on_both
def test_a_photograph_is_shown_graded_and_explained(page: Page, checkpoints: Path) -> None:
    expect(page.get_by_role("tab", name="Grade")).to_have_attribute("aria-selected", "true")
    expect(page.locator("body")).to_contain_text(RESEARCH_ONLY)
    expect(page.locator("#assessment")).to_have_text("")
    upload(page, "grade", PHOTOGRAPH)
    expect_picture(page, "grade-photograph")
    expect(page.locator("#assessment")).to_have_text("")

    answer = grade(page)

    # The models of the page are sorted; the first is chosen.
    expected = Grader.load("resnet18-pretrained", checkpoints=checkpoints).grade(PHOTOGRAPH)
    assert answer.split()[:2] == [str(expected.grade), str(expected.label).split()[0]]
    assert all(label in answer for label in LABELS)
    assert expected.probabilities is not None
    assert all(text.share(probability) in answer for probability in expected.probabilities)
    assert NOT_ASSESSED in answer
    assert text.NO_MATRIX in answer
    expect_picture(page, "heatmap")


def test_the_assessment_holds_nothing_but_the_answer(page: Page) -> None:
    page.evaluate(
        """() => {
            window.seen = new Set();
            const look = () => {
                const area = document.querySelector("#assessment");
                if (area) window.seen.add(area.textContent.trim());
                requestAnimationFrame(look);
            };
            look();
        }"""
    )
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    answer = page.locator("#assessment").text_content()
    assert page.evaluate("[...window.seen]") == ["", str(answer).strip()]


def test_an_answer_to_an_earlier_photograph_never_arrives(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    page.get_by_role("button", name="Grade", exact=True).click()
    page.locator("#grade-examples button").nth(3).click()
    expect(page.locator("#grade-upload")).to_contain_text("drawn-grade-3")
    page.wait_for_timeout(1500)
    expect(page.locator("#assessment")).to_have_text("")


def test_the_matrix_of_the_chosen_model_is_shown(page: Page) -> None:
    expect(page.locator("body")).to_contain_text(STARTED_FROM.source)
    page.get_by_label(text.MODEL).click()
    page.get_by_role("option", name="resnet18-scratch").click()
    expect(page.locator("body")).not_to_contain_text(STARTED_FROM.source)
    upload(page, "grade", PHOTOGRAPH)
    assert "resnet18-scratch" in grade(page)
    expect_picture(page, "matrix")


def test_a_new_photograph_takes_the_old_answer_away(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    page.locator("#grade-examples button").nth(3).click()
    expect(page.locator("#grade-upload")).to_contain_text("drawn-grade-3")
    expect(page.locator("#assessment")).to_have_text("")
    expect(page.locator("#heatmap")).to_be_hidden()


def test_a_file_that_is_no_picture_is_refused_in_the_page(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "notes.jpg"
    file.write_text("no picture")
    upload(page, "grade", file)
    expect(page.get_by_role("alert")).to_contain_text("notes.jpg")
    expect(page.locator("#assessment")).to_have_text("")


@on_both
def test_all_models_stand_side_by_side(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    expect_picture(page, "grade-photograph")
    page.get_by_role("tab", name="Compare").click()
    expect_picture(page, "compare-photograph")  # carried over
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#agreement")).to_contain_text("The models disagree")
    for name in ("resnet18-pretrained", "resnet18-scratch"):
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        expect_picture(page, f"heatmap-{name}")
    expect_picture(page, "matrix-resnet18-scratch")
    expect(page.locator("#compared .bars")).to_have_count(2)


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
        expect_picture(page, "compare-photograph")


@on_both
def test_nothing_is_wider_than_the_window(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@on_both
def test_a_rejected_photograph_says_how_to_retake_it_and_can_be_graded_anyway(
    page: Page, tmp_path: Path
) -> None:
    blurred = tmp_path / "blurred.png"
    with Image.open(PHOTOGRAPH) as photograph:
        photograph.convert("RGB").filter(ImageFilter.GaussianBlur(10)).save(blurred)
    upload(page, "grade", blurred)
    anyway = page.get_by_role("button", name=text.BUTTON_ANYWAY)
    expect(anyway).to_be_hidden()
    page.get_by_role("button", name="Grade", exact=True).click()
    answer = page.locator("#assessment")
    expect(answer).to_contain_text(text.NOT_GRADED)
    expect(answer).to_contain_text("focus again")
    expect(answer).to_contain_text(text.UNGRADABLE_TWICE)
    expect(page.locator("#matrix")).to_be_hidden()
    anyway.click()
    expect(answer).to_contain_text(text.PROBABILITIES)
    expect(answer).to_contain_text("rejected this photograph")
    expect(anyway).to_be_hidden()
