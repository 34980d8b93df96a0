"""The page's own HTML, from the templates. Everything that comes from outside is escaped there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any

from retina.assessment import Assessment, Quality
from retina.models.config import CheckpointConfig
from retina.reporting.figures import text_on
from retina.reporting.formatting import template
from retina.scale import GRADES, NOT_ASSESSED, RESEARCH_ONLY
from retina.web import text
from retina.web.theme import shade
from retina.web.viewer import Heat, View, colour_bar

if TYPE_CHECKING:
    from retina.models.checkpoint import Checkpoint

# No name can imitate it, because a name's "<" is escaped.
_ANSWER = re.compile(
    r'<section class="\w+" data-photograph="(.*?)"(?: data-model="(.*?)")?( data-anyway)?',
    re.DOTALL,
)


@dataclass(frozen=True)
class Result:
    """One photograph's answer by one model, and what the page shows with it.

    Attributes:
        assessment: The answer.
        checkpoint: The model's.
        heat: Where it looked; None where nothing was graded.
        elsewhere: Sentences on how it did on photographs of other places.
    """

    assessment: Assessment
    checkpoint: "Checkpoint"
    heat: Heat | None
    elsewhere: Sequence[str] = ()

    @property
    def anyway(self) -> bool:
        """Whether it was graded although the gate refused it."""
        return self.assessment.quality.verdict == "reject" and self.assessment.grade is not None


@dataclass(frozen=True)
class Unread:
    """A photograph that could not be read.

    Attributes:
        name: The file's.
        sha256: Of its bytes.
        sentence: What is wrong, and how to mend it.
    """

    name: str
    sha256: str
    sentence: str


def _templates() -> Any:
    return template(
        "retina.web",
        "page.html",
        text=text,
        grades=GRADES,
        not_assessed=NOT_ASSESSED,
        research_only=RESEARCH_ONLY,
        ink=text_on,
        shade=shade,
        colours=colour_bar(),
        zip=zip,
        sum=sum,
    ).module


_PAGE = _templates()


def header() -> str:
    """The page's name, and what it must not be used for."""
    return str(_PAGE.header())


def no_model() -> str:
    """What to do where there is nothing to grade with."""
    return str(_PAGE.no_model())


def notice(sentence: str) -> str:
    """An error that is the reader's to mend, in the page."""
    return str(_PAGE.notice(sentence))


def progress(sentence: str) -> str:
    """How far something has come."""
    return str(_PAGE.progress(sentence))


def quality(verdict: Quality, name: str = "") -> str:
    """The gate's verdict on a photograph and its reasons; ``name`` tells two eyes apart."""
    return str(_PAGE.quality(verdict, name))


def model_facts(config: CheckpointConfig) -> str:
    """What a model is, and what it started from where its name could mislead."""
    return str(_PAGE.model_facts(config))


def assessment(results: Sequence[Result], unread: Sequence[Unread] = ()) -> str:
    """The whole answer for one eye or both of a patient: the grade, then all that qualifies it."""
    return str(_PAGE.assessment(results, unread))


def graded_anyway(html: str) -> bool:
    """Whether an answer holds a grade that the gate would have refused."""
    return any(anyway for *_, anyway in _ANSWER.findall(html))


def viewers(views: Sequence[View], results: Sequence[Result] = (), *, heat: bool = False) -> str:
    """Photographs to look at closely.

    Args:
        views: The photographs.
        results: The answers, in the same order; none before they are graded.
        heat: Whether the heatmaps are seen at once, not only on demand.
    """
    return str(_PAGE.viewers(views, results, heat))


def agreement(answers: Sequence[Assessment], left_out: Sequence[str] = ()) -> str:
    """Whether the models agree, above their answers, and why others do not answer."""
    return str(_PAGE.agreement(answers, left_out))


def compared(view: View, results: Sequence[Result]) -> str:
    """All models' answers for one photograph, side by side."""
    return str(_PAGE.compared(view, results))


def answers_to(html: str, photographs: Sequence[str], model: str | None = None) -> bool:
    """Whether markup made here answers for photographs, by SHA-256, and a model if one is given."""
    answers = _ANSWER.findall(html)
    models = {unescape(name) for _, name, _ in answers}
    return sorted(sha256 for sha256, *_ in answers) == sorted(photographs) and (
        model is None or model in models
    )
