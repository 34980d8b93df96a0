from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from torch import nn

from retina.assessment import ImageFacts
from retina.images.prepare import Preprocessing
from retina.models.checkpoint import Checkpoint
from retina.models.config import CheckpointConfig, DataSource, StartedFrom
from retina.scale import GRADES, LABELS, NOT_ASSESSED, RESEARCH_ONLY
from retina.web import markup, text
from tests.web.test_text import assessment

CONFIG = CheckpointConfig(
    name="resnet18-scratch",
    architecture="resnet18",
    preprocessing=Preprocessing(),
    data=DataSource("nothing", rows=0, fingerprint="", terms="none"),
)
CHECKPOINT = Checkpoint(Path("resnet18-scratch"), CONFIG, None, nn.Identity())
HOSTILE = '<img src="x" onerror="alert(1)">&.jpg'


def words(html: str) -> str:
    """The text of markup that must be well-formed, as a reader meets it."""
    root = ElementTree.fromstring(f"<div>{html}</div>")
    return " ".join(" ".join(root.itertext()).split())


@pytest.mark.parametrize("grade", range(5))
def test_the_grade_comes_first_then_what_qualifies_it(grade: int) -> None:
    shown = words(markup.assessment(assessment(grade), CHECKPOINT))
    assert shown.startswith(f"{grade} {LABELS[grade]} Grade {grade} on a scale of 0 to 4.")
    assert GRADES[grade].meaning in shown
    assert NOT_ASSESSED in shown
    assert (text.NO_DR_NOTE in shown) == (grade == 0)
    assert all(f"{label} {'60' if n == grade else '10'}" in shown for n, label in enumerate(LABELS))


def test_a_rejected_photograph_shows_why_and_no_grade() -> None:
    for shown in (
        words(markup.assessment(assessment(None), CHECKPOINT)),
        words(markup.compared(assessment(None), CHECKPOINT)),
    ):
        assert shown.startswith(text.NOT_GRADED)
        assert "Too dark." in shown
        assert not any(label in shown for label in LABELS)


def test_warnings_are_shown() -> None:
    warned = replace(assessment(1), warnings=("Mild and Moderate are almost equally likely.",))
    assert "almost equally likely" in words(markup.assessment(warned, CHECKPOINT))


def test_what_comes_from_outside_is_escaped() -> None:
    answer = replace(
        assessment(1), image=ImageFacts(HOSTILE, "", 9, 9), warnings=(HOSTILE,), model=HOSTILE
    )
    config = replace(CONFIG, initial_weights=StartedFrom("file", HOSTILE, None))
    for html in (
        markup.assessment(answer, CHECKPOINT),
        markup.compared(answer, CHECKPOINT),
        markup.model_heading(config, HOSTILE),
        markup.notice(HOSTILE),
    ):
        assert "<img" not in html
        assert HOSTILE in words(html)


def test_an_answer_knows_what_it_answers() -> None:
    answer = assessment(1)
    html = markup.assessment(answer, CHECKPOINT)
    assert markup.answers_to(html, answer.image.sha256, answer.model)
    assert markup.answers_to(markup.agreement([answer]), answer.image.sha256)
    assert not markup.answers_to(html, "c" * 64, answer.model)
    assert not markup.answers_to(html, answer.image.sha256, "resnet50-scratch")


def test_the_header_says_research_only_and_what_is_not_assessed() -> None:
    shown = words(markup.header())
    assert RESEARCH_ONLY in shown
    assert NOT_ASSESSED in shown
