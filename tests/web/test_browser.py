import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageFilter
from playwright.sync_api import Page, expect

from retina.explain.methods import GRAD_CAM
from retina.images.field_of_view import find_retina
from retina.inference.grader import Grader
from retina.scale import LABELS, NOT_ASSESSED, RESEARCH_ONLY
from retina.web import text
from tests.web.conftest import (
    PHONE_DARK,
    PHONE_LIGHT,
    PHOTOGRAPH,
    STARTED_FROM,
    WIDE_DARK,
    WIDE_LIGHT,
    expect_photograph,
    on_both,
    upload,
)

on_all = pytest.mark.parametrize(
    "page",
    [WIDE_LIGHT, WIDE_DARK, PHONE_LIGHT, PHONE_DARK],
    ids=["wide-light", "wide-dark", "phone-light", "phone-dark"],
    indirect=True,
)


def grade(page: Page) -> str:
    page.get_by_role("button", name="Grade", exact=True).click()
    expect(page.locator("#assessment")).to_contain_text(PHOTOGRAPH.name)
    return page.locator("#assessment").inner_text()


@on_both
def test_a_photograph_is_shown_graded_and_explained(page: Page, checkpoints: Path) -> None:
    expect(page.get_by_role("tab", name="Grade")).to_have_attribute("aria-selected", "true")
    expect(page.locator("body")).to_contain_text(RESEARCH_ONLY)
    expect(page.locator("#assessment")).to_have_text("")
    upload(page, "grade", PHOTOGRAPH)
    expect_photograph(page, "grade")
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
    heatmap = page.locator("#grade-photograph img.heat")
    expect(heatmap).to_be_hidden()
    page.get_by_role("button", name=text.HEATMAP).click()
    expect(heatmap).to_be_visible()
    expect(page.get_by_text(text.heatmap_caption(GRAD_CAM))).to_be_visible()


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
    choose(page, "resnet18-scratch")
    expect(page.locator("body")).not_to_contain_text(STARTED_FROM.source)
    upload(page, "grade", PHOTOGRAPH)
    assert "resnet18-scratch" in grade(page)
    marked = page.locator("#assessment .matrix thead th.marked")
    expect(marked).to_have_count(1)
    number = page.locator("#assessment .grade-number").inner_text()
    expect(marked).to_contain_text(number)


def choose(page: Page, model: str) -> None:
    page.get_by_label(text.MODEL).click()
    page.get_by_role("option", name=model).click()


def test_another_model_takes_the_old_ones_answer_and_heatmap_away(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    expect(page.locator("#grade-photograph img.heat")).to_have_count(1)
    choose(page, "resnet18-scratch")
    expect(page.locator("#assessment")).to_have_text("")
    expect(page.locator("#grade-photograph img.heat")).to_have_count(0)
    expect_photograph(page, "grade")


def test_a_new_photograph_takes_the_old_answer_away(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    page.locator("#grade-examples button").nth(3).click()
    expect(page.locator("#grade-upload")).to_contain_text("drawn-grade-3")
    expect(page.locator("#assessment")).to_have_text("")
    expect(page.locator("#grade-photograph img.heat")).to_have_count(0)
    expect(page.locator("#method")).to_be_hidden()


@on_both
def test_a_photograph_can_be_looked_at_closely(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    viewer = page.locator("#grade-photograph .viewer")
    photograph, square, heatmap = (
        viewer.locator(f"img.{n}") for n in ("photograph", "square", "heat")
    )
    page.get_by_role("button", name=text.VIEW_RED_FREE).click()
    expect(photograph).to_have_css("filter", re.compile("red-free"))
    page.get_by_role("button", name=text.VIEW_SQUARE).click()
    expect(square).to_be_visible()
    expect(photograph).to_be_hidden()
    page.get_by_role("button", name=text.VIEW_PHOTOGRAPH, exact=True).click()
    expect(photograph).to_be_visible()
    expect(photograph).to_have_css("filter", "none")

    page.get_by_role("button", name=text.HEATMAP).click()
    page.get_by_label(text.OPACITY).fill("30")
    expect(heatmap).to_have_css("opacity", "0.3")
    page.get_by_label(text.WIPE).fill("25")
    expect(heatmap).to_have_css("clip-path", re.compile("75%"))

    before = photograph.bounding_box()
    page.get_by_role("button", name=text.ZOOM_IN).click()
    stage = viewer.locator(".stage")
    stage.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    after, frame = photograph.bounding_box(), stage.bounding_box()
    assert before
    assert after
    assert frame
    assert after["width"] == pytest.approx(2.25 * before["width"], rel=0.01)
    assert after["x"] < before["x"] - (after["width"] - before["width"]) / 2 - 10
    assert frame["width"] == pytest.approx(before["width"], rel=0.01)
    page.get_by_role("button", name=text.ZOOM_RESET).click()
    again = photograph.bounding_box()
    assert again
    assert (again["width"], again["x"]) == (before["width"], before["x"])


def test_the_heatmap_lies_on_the_retina(page: Page, checkpoints: Path) -> None:
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    page.get_by_role("button", name=text.HEATMAP).click()
    whole = page.locator("#grade-photograph img.photograph").bounding_box()
    layer = page.locator("#grade-photograph img.heat").bounding_box()
    assert whole
    assert layer
    with Image.open(PHOTOGRAPH) as photograph:
        retina, size = find_retina(photograph.convert("RGB")), photograph.size
    for side, start, length, pixels in (
        ("x", retina.left, retina.right - retina.left, size[0]),
        ("y", retina.top, retina.bottom - retina.top, size[1]),
    ):
        extent = "width" if side == "x" else "height"
        scale = whole[extent] / pixels  # type: ignore[literal-required]
        assert layer[side] - whole[side] == pytest.approx(start * scale, abs=1)  # type: ignore[literal-required]
        assert layer[extent] == pytest.approx(length * scale, abs=1)  # type: ignore[literal-required]


@on_both
def test_another_method_says_that_its_scale_is_its_own(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    heatmap = page.locator("#grade-photograph img.heat")
    expect(page.locator("#method")).to_be_hidden()
    page.get_by_role("button", name=text.HEATMAP).click()
    first = heatmap.get_attribute("src")
    page.get_by_label("Eigen-CAM").check()
    expect(page.get_by_text(text.heatmap_caption("Eigen-CAM"))).to_be_visible()
    expect(heatmap).to_be_visible()
    assert heatmap.get_attribute("src") != first
    page.get_by_label("Grad-CAM", exact=True).check()
    expect(heatmap).to_have_attribute("src", str(first))


@on_both
def test_both_eyes_are_graded_and_the_worse_one_decides(page: Page, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    with Image.open(PHOTOGRAPH) as photograph:
        photograph.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(other)
    upload(page, "grade", PHOTOGRAPH, other)
    expect(page.locator("#grade-photograph .viewer")).to_have_count(2)
    grade(page)
    expect(page.locator("#assessment .patient")).to_contain_text(re.compile("Worse eye|Both eyes"))
    expect(page.locator("#assessment .assessment")).to_have_count(2)
    for name in (PHOTOGRAPH.name, "other.png"):
        expect(page.locator("#assessment .eye", has_text=name)).to_be_visible()


def test_an_unreadable_eye_does_not_keep_the_other_from_its_answer(
    page: Page, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(PHOTOGRAPH.read_bytes()[:5000])
    upload(page, "grade", PHOTOGRAPH, cut)
    expect(page.get_by_role("alert")).to_contain_text("cut.png")
    grade(page)
    expect(page.locator("#assessment .patient")).to_contain_text("cut.png could not be read")
    expect(page.locator("#assessment .bars")).to_have_count(1)


def test_three_photographs_are_not_two_eyes(page: Page, tmp_path: Path) -> None:
    copies = [tmp_path / f"{name}.png" for name in "abc"]
    for copy in copies:
        copy.write_bytes(PHOTOGRAPH.read_bytes())
    upload(page, "grade", *copies)
    expect(page.get_by_role("alert")).to_contain_text(text.TOO_MANY.format(count=3))
    expect(page.get_by_role("button", name="Grade", exact=True)).to_be_disabled()
    page.locator("#grade-upload").get_by_label("Remove this file").first.click()
    expect(page.get_by_role("alert")).to_contain_text(text.SAME_TWICE)
    expect(page.get_by_role("button", name="Grade", exact=True)).to_be_disabled()


def test_a_file_that_is_no_picture_is_refused_in_the_page(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "notes.jpg"
    file.write_text("no picture")
    upload(page, "grade", file)
    expect(page.get_by_role("alert")).to_contain_text("notes.jpg")
    expect(page.get_by_role("button", name="Grade", exact=True)).to_be_disabled()
    expect(page.locator("#assessment")).to_have_text("")


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
    expect(page.locator("#grade-notice")).to_contain_text(text.QUALITY["reject"])
    expect(page.locator("#assessment table")).to_have_count(0)
    anyway.click()
    expect(answer).to_contain_text(text.PROBABILITIES)
    expect(answer).to_contain_text("rejected this photograph")
    expect(anyway).to_be_hidden()


@on_all
def test_axe_finds_nothing_serious(page: Page) -> None:
    upload(page, "grade", PHOTOGRAPH)
    grade(page)
    page.get_by_role("button", name=text.HEATMAP).click()
    faults = serious_faults(page)
    for tab in ("Compare", "Models"):
        page.get_by_role("tab", name=tab).click()
        if tab == "Compare":
            page.get_by_role("button", name="Compare", exact=True).click()
            expect(page.get_by_role("article").first).to_be_visible()
        else:
            expect(page.locator("#model-closely h2")).to_be_visible(timeout=60_000)
        faults += serious_faults(page)
    assert faults == []


def serious_faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical in our own markup, by the WCAG 2.2 AA rules.

    Gradio's field for files nests its buttons, and makes them small; that is not ours to mend.
    """
    context = {"exclude": [["#grade-upload"], ["#compare-upload"], ["footer"]]}
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    violations = Axe().run(page, context=context, options=options).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
