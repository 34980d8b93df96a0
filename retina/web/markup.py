"""Assessments and models as HTML. Everything that comes from outside is escaped here."""

from collections.abc import Sequence
from html import escape

from retina.assessment import Assessment
from retina.models.checkpoint import Checkpoint
from retina.models.config import CheckpointConfig
from retina.scale import GRADES, NOT_ASSESSED, RESEARCH_ONLY
from retina.web import text
from retina.web.theme import text_on


def header() -> str:
    """The page's name, and what it must not be used for."""
    return (
        f'<header class="page-header"><h1>{escape(text.TITLE)}</h1>'
        f"<p>{escape(text.SUBTITLE)}</p>"
        f'<p class="research-only" role="note"><strong>{escape(RESEARCH_ONLY)}</strong> '
        f"{escape(NOT_ASSESSED)}</p></header>"
    )


def no_model() -> str:
    """What to do where there is nothing to grade with."""
    commands = "\n".join(text.TRAIN_COMMANDS)
    return (
        f'<section class="notice"><p>{escape(text.NO_MODEL)}</p>'
        f"<pre><code>{escape(commands)}</code></pre></section>"
    )


def notice(sentence: str) -> str:
    """An error that is the reader's to mend, in the page."""
    return f'<p class="notice" role="alert">{escape(sentence)}</p>'


def model_facts(config: CheckpointConfig) -> str:
    """What a model is, and what it started from where its name could mislead."""
    kind = config.initial_weights.kind
    origin = escape(text.started_from(config.initial_weights))
    if kind == "file":
        origin = f"<strong>{origin}</strong>"
    return f'<p class="model-facts">{escape(text.network(config))} {origin}</p>'


def assessment(answer: Assessment, checkpoint: Checkpoint) -> str:
    """The whole answer: the grade first, then all that qualifies it."""
    if answer.grade is None:
        return _rejected(answer)
    parts = [
        _grade(answer.grade),
        f"<p>{escape(text.grade_of(answer.grade))}</p>",
        f'<p class="not-assessed">{escape(_what_it_leaves_open(answer.grade))}</p>',
        _referral(answer, checkpoint.config.referable.threshold),
        _bars(answer.probabilities or ()),
        _warnings(answer),
        _not_evaluated(checkpoint),
        f'<p class="provenance">{escape(text.provenance(answer))}</p>',
    ]
    return _section("assessment", "".join(parts), answer)


def compared(answer: Assessment, checkpoint: Checkpoint) -> str:
    """One model's answer, short enough to stand beside others."""
    if answer.grade is None:
        return _rejected(answer)
    verdict, _ = text.referral(answer, checkpoint.config.referable.threshold)
    parts = [
        _grade(answer.grade),
        f'<p class="referral"><strong>{escape(verdict)}</strong></p>',
        _bars(answer.probabilities or ()),
        _warnings(answer),
        _not_evaluated(checkpoint),
    ]
    return _section("assessment", "".join(parts), answer)


def model_heading(config: CheckpointConfig, name: str) -> str:
    """A model's name above its answer."""
    return f'<h2 class="model-name">{escape(name)}</h2>{model_facts(config)}'


def agreement(answers: Sequence[Assessment]) -> str:
    """Whether the models agree, above their answers."""
    sentences = (
        f"<p>{escape(text.agreement(answers))}</p>"
        f'<p class="not-assessed">{escape(NOT_ASSESSED)}</p>'
    )
    return _section("agreement", sentences, answers[0])


def answers_to(html: str, sha256: str, model: str | None = None) -> bool:
    """Whether markup made here answers for a photograph, and a model if one is given."""
    asked = [_of_photograph(sha256)] + ([] if model is None else [_of_model(model)])
    return all(each in html for each in asked)


def _section(name: str, content: str, answer: Assessment) -> str:
    """Markup that carries what it answers, so that it can be dropped when that was changed."""
    asked = f"{_of_photograph(answer.image.sha256)} {_of_model(answer.model)}"
    return f'<section class="{name}" {asked}>{content}</section>'


def _of_photograph(sha256: str) -> str:
    return f'data-photograph="{escape(sha256)}"'


def _of_model(name: str) -> str:
    return f'data-model="{escape(name)}"'


def caption(sentence: str) -> str:
    """A line below a picture."""
    return f'<p class="caption">{escape(sentence)}</p>'


def _grade(number: int) -> str:
    grade = GRADES[number]
    style = f"background:{grade.colour};color:{text_on(grade.colour)}"
    return (
        f'<h2 class="grade"><span class="grade-number" style="{style}">{number}</span> '
        f"<span>{escape(grade.label)}</span></h2>"
    )


def _what_it_leaves_open(grade: int) -> str:
    return f"{text.NO_DR_NOTE} {NOT_ASSESSED}" if grade == 0 else NOT_ASSESSED


def _referral(answer: Assessment, threshold: float) -> str:
    verdict, reason = text.referral(answer, threshold)
    threatening = text.sight_threatening(answer.sight_threatening_probability or 0.0)
    return (
        f'<p class="referral"><strong>{escape(verdict)}.</strong> {escape(reason)} '
        f"{escape(threatening)}</p>"
    )


def _bars(probabilities: Sequence[float]) -> str:
    rows = "".join(
        f'<li><span class="bar-label">{escape(grade.label)}</span>'
        f'<span class="bar-track" aria-hidden="true"><span class="bar" '
        f'style="width:{100 * probability:.1f}%;background:{grade.colour}"></span></span>'
        f'<span class="bar-share">{escape(text.share(probability))}</span></li>'
        for grade, probability in zip(GRADES, probabilities, strict=True)
    )
    return f'<h3>{escape(text.PROBABILITIES)}</h3><ul class="bars">{rows}</ul>'


def _warnings(answer: Assessment) -> str:
    sentences = (*answer.warnings, *answer.quality.reasons)
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<div class="warnings"><h3>{escape(text.WARNINGS)}</h3><ul>{items}</ul></div>'


def _not_evaluated(checkpoint: Checkpoint) -> str:
    return f"<p>{escape(text.NO_MATRIX)}</p>" if checkpoint.metrics is None else ""


def _rejected(answer: Assessment) -> str:
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in answer.quality.reasons)
    content = (
        f'<h2 class="grade">{escape(text.NOT_GRADED)}</h2>'
        f"<p>{escape(text.RETAKE)}</p><ul>{reasons}</ul><p>{escape(text.UNGRADABLE_TWICE)}</p>"
        f'<p class="provenance">{escape(text.provenance(answer))}</p>'
    )
    return _section("assessment", content, answer)
