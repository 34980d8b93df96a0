import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from torch import nn

from retina.assessment import Assessment, ImageFacts, Quality
from retina.explain.methods import GRAD_CAM
from retina.images.prepare import Preprocessing
from retina.models.checkpoint import Checkpoint
from retina.models.config import CheckpointConfig, DataSource, StartedFrom
from retina.reporting.figures import relative_luminance
from retina.scale import GRADES, LABELS, NOT_ASSESSED, RESEARCH_ONLY
from retina.web import html as markup
from retina.web import text
from retina.web.html import Heat, Result, Unread, View
from tests.assessments import MATRIX, assessment

CONFIG = CheckpointConfig(
    name="resnet18-scratch",
    architecture="resnet18",
    preprocessing=Preprocessing(),
    data=DataSource("aptos2019", rows=0, fingerprint="", terms="none"),
)
METRICS = {
    "n": 145,
    "confusion_matrix": MATRIX,
    "referable": {
        "sensitivity": {"value": 0.88, "low": 0.8, "high": 0.93},
        "specificity": {"value": 0.94, "low": 0.9, "high": 0.97},
    },
}
UNTESTED = Checkpoint(Path("resnet18-scratch"), CONFIG, None, nn.Identity())
TESTED = replace(UNTESTED, metrics=METRICS)
HEAT = Heat(
    GRAD_CAM, "data:image/png;base64,AA", "data:image/png;base64,BB", 10.0, 0.0, 80.0, 100.0
)
VIEW = View("eye.jpg", "data:image/jpeg;base64,CC", 640, 480, Quality("good", 1.0))
HOSTILE = '<img src="x" onerror="alert(1)">&.jpg'


def parsed(html: str) -> ElementTree.Element:
    """Markup that must be well-formed, but for the tags that HTML leaves open."""
    closed = re.sub(r"<(img|input)\b([^>]*)>", r"<\1\2/>", html)
    closed = re.sub(r"\s(data-closer|hidden|disabled)(?=[\s/>])", r' \1=""', closed)
    return ElementTree.fromstring(f"<div>{closed}</div>")


def words(html: str) -> str:
    """The text, as a reader meets it."""
    return " ".join(" ".join(parsed(html).itertext()).split())


def answered(
    *answers: Assessment, checkpoint: Checkpoint = TESTED, elsewhere: Sequence[str] = ()
) -> list[Result]:
    return [
        Result(answer, checkpoint, None if answer.grade is None else HEAT, elsewhere)
        for answer in answers
    ]


def second_eye(grade: int | None, *, referable: bool = False) -> Assessment:
    answer = assessment(grade, referable=referable)
    return replace(answer, image=ImageFacts("other.jpg", "d" * 64, 640, 480))


@pytest.mark.parametrize("grade", range(5))
def test_the_grade_comes_first_then_what_qualifies_it(grade: int) -> None:
    shown = words(markup.assessment(answered(assessment(grade))))
    assert shown.startswith(f"{grade} {LABELS[grade]} {text.QUALITY['good']}")
    assert text.grade_of(grade) in shown
    assert GRADES[grade].meaning[1:] in text.grade_of(grade)
    assert NOT_ASSESSED in shown
    assert (text.NO_DR_NOTE in shown) == (grade == 0)
    assert all(f"{label} {'60' if n == grade else '10'}" in shown for n, label in enumerate(LABELS))


def test_it_says_how_far_the_answer_can_be_trusted() -> None:
    shown = words(markup.assessment(answered(assessment(2), elsewhere=["On eyepacs: worse."])))
    assert "Of the 44 test photographs that this model called Moderate" in shown
    assert "sensitivity 88 % (80–93), specificity 94 % (90–97)" in shown
    assert "tested on 145 photographs of aptos2019" in shown
    assert "On eyepacs: worse." in shown


def test_the_answers_column_of_the_matrix_is_marked_and_no_other() -> None:
    (table,) = parsed(markup.assessment(answered(assessment(3)))).iter("table")
    for row in table.iter("tr"):
        cells = [cell for cell in row if cell.tag == "td" or cell.get("scope") == "col"]
        marked = [n for n, cell in enumerate(cells[-5:]) if cell.get("class") == "marked"]
        assert marked == [3]
    counts = [[int(str(c[1].text)) for c in row.findall("td")] for row in table.findall("tbody/tr")]
    assert counts == MATRIX


def test_the_shades_of_the_matrix_can_be_read_and_deepen_with_the_share() -> None:
    (table,) = parsed(markup.assessment(answered(assessment(0)))).iter("table")
    seen = {}
    for cell in table.findall("tbody/tr/td"):
        background, ink = re.findall(r"#[0-9a-f]{6}", str(cell.get("style")))
        light, dark = sorted(map(relative_luminance, (background, ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
        seen[int(str(cell[0].text).split("\N{NO-BREAK SPACE}")[0])] = relative_luminance(background)
    assert [seen[share] for share in sorted(seen)] == sorted(seen.values(), reverse=True)


def test_a_model_that_was_not_tested_says_so_and_has_no_matrix() -> None:
    html = markup.assessment(answered(assessment(2), checkpoint=UNTESTED))
    assert text.NO_MATRIX in words(html)
    assert "<table" not in html


def test_two_eyes_have_a_sentence_for_the_patient_and_an_answer_each() -> None:
    html = markup.assessment(answered(assessment(1), second_eye(3, referable=True)))
    shown = words(html)
    assert shown.startswith("Worse eye: other.jpg, Severe. Refer: other.jpg reached")
    assert html.count('<section class="assessment"') == 2
    assert shown.index("eye.jpg 1 Mild") < shown.index("other.jpg 3 Severe")


def test_an_eye_that_could_not_be_read_says_so_beside_the_other() -> None:
    html = markup.assessment(
        answered(assessment(0)), [Unread("other.jpg", "d" * 64, "It is cut off.")]
    )
    assert words(html).startswith(
        "Only eye.jpg could be graded: No DR. other.jpg could not be read."
    )
    assert "It is cut off." in words(html)
    assert markup.answers_to(html, [assessment(0).image.sha256, "d" * 64])


def test_beside_others_no_dr_is_qualified_as_it_is_alone() -> None:
    shown = words(markup.compared(VIEW, answered(assessment(0), elsewhere=["Elsewhere: worse."])))
    assert text.NO_DR_NOTE in shown
    assert "sensitivity 88 %" in shown
    assert "Elsewhere: worse." in shown


def test_a_rejected_photograph_shows_why_and_no_grade() -> None:
    for shown in (
        words(markup.assessment(answered(assessment(None)))),
        words(markup.compared(VIEW, answered(assessment(None), checkpoint=UNTESTED))),
    ):
        assert text.NOT_GRADED in shown
        assert "Too dark." in shown
        assert not any(label in shown for label in LABELS)


def test_warnings_are_shown() -> None:
    warned = replace(assessment(1), warnings=("Mild and Moderate are almost equally likely.",))
    assert "almost equally likely" in words(markup.assessment(answered(warned)))
    assert "almost equally likely" in words(markup.compared(VIEW, answered(warned)))


def test_the_photograph_is_seen_first_and_the_heatmap_on_demand() -> None:
    bare = markup.viewers([VIEW])
    assert VIEW.source in bare
    switches = [each for each in parsed(bare).iter("button") if each.text == text.HEATMAP]
    assert [each.get("disabled") for each in switches] == [""]
    graded = markup.viewers([VIEW], answered(assessment(2)))
    (figure,) = parsed(graded).iter("figure")
    assert figure.get("data-heat") == "off"
    assert HEAT.layer in graded
    assert text.heatmap_caption(GRAD_CAM) in words(graded)
    (figure,) = parsed(markup.viewers([VIEW], answered(assessment(2)), heat=True)).iter("figure")
    assert figure.get("data-heat") == "on"


def test_what_moves_has_a_name_for_those_who_do_not_see_it() -> None:
    root = parsed(markup.viewers([VIEW], answered(assessment(2))))
    buttons, images, labels = (list(root.iter(tag)) for tag in ("button", "img", "label"))
    assert all(button.get("aria-label") or button.text for button in buttons)
    assert all(image.get("alt") for image in images)
    assert all(label.text and label.find("input") is not None for label in labels)


def test_each_model_has_a_card_and_two_can_be_picked() -> None:
    names = ["a", "b", "c"]
    results = [Result(replace(assessment(2), model=name), TESTED, HEAT, ()) for name in names]
    cards = list(parsed(markup.compared(VIEW, results)).iter("article"))
    assert [card.get("aria-label") for card in cards] == names
    assert markup.compared(VIEW, results).count("data-closer") == 3
    assert "data-closer" not in markup.compared(VIEW, results[:2])


def test_what_comes_from_outside_is_escaped() -> None:
    answer = replace(
        assessment(1),
        image=ImageFacts(HOSTILE, "", 9, 9),
        warnings=(HOSTILE,),
        model=HOSTILE,
        quality=Quality("usable", 0.6, (HOSTILE,)),
    )
    refused = replace(answer, grade=None)
    config = replace(CONFIG, initial_weights=StartedFrom("file", HOSTILE, None))
    view = replace(VIEW, name=HOSTILE)
    for html in (
        markup.assessment(answered(answer, elsewhere=[HOSTILE])),
        markup.assessment(answered(answer, refused)),
        markup.compared(view, answered(answer, checkpoint=replace(TESTED, config=config))),
        markup.viewers([view, view]),
        markup.quality(answer.quality, HOSTILE),
        markup.model_facts(config),
        markup.notice(HOSTILE),
    ):
        assert '<img src="x"' not in html
        assert 'onerror="' not in html
        assert HOSTILE in words(html)


def test_an_answer_knows_what_it_answers() -> None:
    answer, other = assessment(1), second_eye(2)
    html = markup.assessment(answered(answer))
    assert markup.answers_to(html, [answer.image.sha256], answer.model)
    assert markup.answers_to(markup.agreement_html([answer]), [answer.image.sha256])
    assert not markup.answers_to(html, ["c" * 64], answer.model)
    assert not markup.answers_to(html, [answer.image.sha256], "resnet50-scratch")
    both = markup.assessment(answered(answer, other))
    assert markup.answers_to(both, [answer.image.sha256, other.image.sha256], answer.model)
    assert not markup.answers_to(both, [answer.image.sha256], answer.model)
    assert not markup.answers_to(html, [answer.image.sha256, other.image.sha256], answer.model)


@pytest.mark.parametrize("name", [HOSTILE, 'a "copy" data-photograph=', '\' data-model="x">\n'])
def test_no_name_is_taken_for_what_an_answer_answers(name: str) -> None:
    answer = replace(assessment(1), model=name, warnings=(name,))
    other = replace(second_eye(2), image=ImageFacts(name, "d" * 64, 9, 9), model=name)
    html = markup.assessment(answered(answer, other))
    both = [answer.image.sha256, other.image.sha256]
    assert markup.answers_to(html, both, name)
    assert not markup.answers_to(html, both, "resnet18-scratch")
    assert not markup.answers_to(html, both[:1], name)


def test_the_header_says_research_only_and_what_is_not_assessed() -> None:
    shown = words(markup.header())
    assert RESEARCH_ONLY in shown
    assert NOT_ASSESSED in shown
