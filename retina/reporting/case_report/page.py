"""The text of a case report, from which PDF and HTML are made."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

from retina.assessment import Assessment, ImageFacts
from retina.datasets.catalog import patient_and_eye
from retina.errors import SettingsError
from retina.explain.methods import GRAD_CAM
from retina.reporting import assessment_text as text
from retina.scale import GRADES, NOT_ASSESSED, RESEARCH_ONLY, Grade
from retina.version import __version__

if TYPE_CHECKING:
    from retina.models.checkpoint import Checkpoint


NAME_LENGTH = 200
"""Longest name, in characters."""

POINTS, POINT_LENGTH, RECORD_LENGTH, LINE_LENGTH = 7, 130, 260, 450
"""Most points in a list, and longest point, value of the record and other line, in characters, so
that the text fits on a page in a legible size. Longer text ends in an ellipsis."""

_QUALITY = "The photograph’s quality"
_LIMITS = "What is not assessed"


@dataclass(frozen=True)
class Passage:
    """A few sentences on one topic.

    Attributes:
        heading: The heading; may be empty.
        strong: Bold text before the rest; may be empty.
        lines: Paragraphs.
        listed: Whether the lines are points of a list.
    """

    heading: str = ""
    strong: str = ""
    lines: tuple[str, ...] = ()
    listed: bool = False


@dataclass(frozen=True)
class Bar:
    """The probability of a grade, from 0 to 1, and formatted."""

    grade: Grade
    probability: float
    told: str


@dataclass(frozen=True)
class CasePage:
    """The text of a case report, from top to bottom.

    Attributes:
        made: Date and time, with the offset from UTC.
        name: Name or number of the patient; empty for a space to write in.
        headline: The label of the grade, or that the photograph was not graded.
        main: The meaning of the grade, or why there is none.
        verdict: Whether to refer, and why.
        grade: The grade; None if the photograph was not graded.
        bars: The probability of each grade; empty if the photograph was not graded.
        left: Passages of the left column, below the bars.
        right: Passages of the right column.
        below: Passages across the page.
        record: Names and values that identify the model and the photograph.
        photograph_caption: Caption of the photograph, with the eye if it is known.
        title: Title of the report.
        purpose: What the report must not be used for.
        heatmap_caption: Caption of the heatmap.
        heatmap_meaning: Explanation of its colours.
        scale: Labels of both ends of the colour bar.
        bars_heading: Heading of the bars.
        name_label: Label of the name.
        spaces: Labels of the spaces to fill in by hand.
    """

    made: str
    name: str
    headline: str
    main: tuple[Passage, ...]
    verdict: Passage
    grade: Grade | None
    bars: tuple[Bar, ...]
    left: tuple[Passage, ...]
    right: tuple[Passage, ...]
    below: tuple[Passage, ...]
    record: tuple[tuple[str, str], ...]
    photograph_caption: str
    title: str = "Case report: diabetic retinopathy"
    purpose: str = RESEARCH_ONLY
    heatmap_caption: str = text.HEATMAP
    heatmap_meaning: str = text.heatmap_caption(GRAD_CAM)
    scale: tuple[str, str] = (text.SCALE_NONE, text.scale_end(GRAD_CAM))
    bars_heading: str = text.PROBABILITIES
    name_label: str = "Name or number"
    spaces: tuple[str, ...] = ("Decision", "Signature", "Date")


def case_page(
    assessment: Assessment, checkpoint: "Checkpoint", *, name: str, made: datetime
) -> CasePage:
    """Return the text of a report, without the name of the file, which may identify a patient.

    Args:
        assessment: The assessment of the photograph.
        checkpoint: The model that made the assessment.
        name: Name or number of the patient; may be empty.
        made: Time of the report, with its time zone.

    Raises:
        SettingsError: The name is too long.
    """
    name = " ".join(name.split())
    if len(name) > NAME_LENGTH:
        raise SettingsError(
            f"the name on a case report has at most {NAME_LENGTH} characters, not {len(name)}: "
            "shorten it"
        )
    graded = assessment.grade is not None
    record = _record(assessment, checkpoint)
    limits = (text.NO_DR_NOTE, NOT_ASSESSED) if assessment.grade == 0 else (NOT_ASSESSED,)
    return CasePage(
        made=made.isoformat(sep=" ", timespec="minutes"),
        name=name,
        headline=assessment.label or text.NOT_GRADED,
        main=_shortened(_meaning(assessment)),
        verdict=_shortened((_verdict(assessment, checkpoint),))[0],
        grade=None if assessment.grade is None else GRADES[assessment.grade],
        bars=tuple(
            Bar(grade, probability, text.share(probability))
            for grade, probability in zip(GRADES, assessment.probabilities or (), strict=graded)
        ),
        left=_shortened(_left(assessment)),
        right=_shortened(_right(assessment) if graded else ()),
        below=_shortened(
            (
                *((_trust(assessment.grade, checkpoint),) if assessment.grade is not None else ()),
                Passage(_LIMITS, lines=(" ".join(limits),)),
            )
        ),
        record=tuple((label, _cut(value, RECORD_LENGTH)) for label, value in record),
        photograph_caption=_photograph(assessment.image),
    )


def _photograph(image: ImageFacts) -> str:
    """Return the caption; the eye in the metadata takes precedence over that in the file name."""
    eye = image.eye or patient_and_eye(PurePath(image.name).stem)[1]
    return f"The photograph: {eye} eye" if eye else "The photograph"


def _shortened(passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
    return tuple(replace(passage, lines=_lines(passage)) for passage in passages)


def _lines(passage: Passage) -> tuple[str, ...]:
    if not passage.listed:
        return tuple(_cut(line, LINE_LENGTH) for line in passage.lines)
    kept = tuple(_cut(line, POINT_LENGTH) for line in passage.lines[:POINTS])
    more = len(passage.lines) - POINTS
    return (*kept[:-1], f"… and {more + 1} more.") if more > 0 else kept


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _meaning(assessment: Assessment) -> tuple[Passage, ...]:
    if assessment.grade is None:
        reasons = assessment.quality.reasons
        return (Passage(strong=text.RETAKE, lines=reasons, listed=True),)
    return (Passage(lines=(text.grade_of(assessment.grade),)),)


def _verdict(assessment: Assessment, checkpoint: "Checkpoint") -> Passage:
    if assessment.grade is None:
        return Passage(strong=text.UNGRADABLE_TWICE)
    verdict, reason = text.referral(assessment, checkpoint.config.referable.threshold)
    worth = []
    if checkpoint.metrics and checkpoint.metrics.get("referable"):
        worth = [text.operating_point(checkpoint.metrics["referable"])]
    worth += text.told_elsewhere(checkpoint.folder)
    return Passage(strong=f"{verdict}.", lines=(reason, *([" ".join(worth)] if worth else ())))


def _left(assessment: Assessment) -> tuple[Passage, ...]:
    probability = assessment.sight_threatening_probability
    if probability is None:
        return ()
    threatening = Passage(lines=(text.sight_threatening(probability),))
    if not assessment.warnings:
        return (threatening,)
    return (threatening, Passage(text.WARNINGS, lines=assessment.warnings, listed=True))


def _right(assessment: Assessment) -> tuple[Passage, ...]:
    quality = assessment.quality
    reasons = quality.reasons
    if quality.verdict == "reject":
        reasons = (*reasons, text.UNGRADABLE_TWICE)
    return (Passage(_QUALITY, text.QUALITY[quality.verdict], reasons, listed=True),)


def _trust(grade: int, checkpoint: "Checkpoint") -> Passage:
    metrics = checkpoint.metrics
    if not metrics:
        return Passage(text.TRUST, lines=(text.NO_MATRIX,))
    right = text.right_of_its_answers(metrics["confusion_matrix"], grade)
    return Passage(text.TRUST, lines=(f"{right} {text.tested_on(metrics, checkpoint.config)}",))


def _record(assessment: Assessment, checkpoint: "Checkpoint") -> tuple[tuple[str, str], ...]:
    config, image = checkpoint.config, assessment.image
    model = f"{text.network(config)} {text.started_from(config.initial_weights)}"
    return (
        ("Model", f"{assessment.model}: {model}"),
        ("SHA-256 of its weights", assessment.model_sha256),
        ("SHA-256 of the photograph", image.sha256),
        ("Size of the photograph", f"{image.width} × {image.height} pixels"),
        ("Program", f"retina {__version__}"),
    )
