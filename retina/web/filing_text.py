"""The strings of what is filed of an answer: the case report, and the clinician's verdict."""

from collections.abc import Sequence

from retina.assessment import Assessment
from retina.scale import GRADES

REPORT = "Case report"
NAME = "Name to print on it, if you wish"
BUTTON_REPORT = "Make report"
KINDS = {"pdf": "PDF", "html": "web page"}

VERDICT = "Your verdict"
WHICH = "On"
GRADE = "What is it?"
AGREE = "I agree"
UNGRADABLE = "Ungradable"
NOTE = "Note, if you wish: no names"
BUTTON_VERDICT = "Record"
NO_VERDICT = "Choose a verdict first."
RECORDED = "Recorded: {verdict}."
RECORDED_OF = "Recorded of {name}: {verdict}."
BUTTON_VERDICTS = "Download all verdicts (CSV)"
VERDICTS_FILE = "verdicts.csv"
VERDICTS_READY = "All verdicts (CSV)"

CHOICES = [AGREE, *(f"{grade.number} {grade.label}" for grade in GRADES), UNGRADABLE]


def judged(choice: str, assessment: Assessment) -> int | None:
    """The grade of a verdict: None where the photograph is called ungradable."""
    if choice == AGREE:
        return assessment.grade
    return None if choice == UNGRADABLE else int(choice[0])


def recorded(assessment: Assessment, choice: str, several: bool) -> str:
    """What was recorded, and of which photograph where there are two."""
    if several:
        return RECORDED_OF.format(name=assessment.image.name, verdict=choice)
    return RECORDED.format(verdict=choice)


def report_file(assessments: Sequence[Assessment], kind: str) -> str:
    """A report's file name, which holds no name of a person."""
    eyes = "-".join(each.image.sha256[:8] for each in assessments)
    return f"retina-report-{eyes}.{kind}"


def report_link(kind: str, eyes: int) -> str:
    """What stands on a link to a report."""
    return f"Report{' of both eyes' * (eyes > 1)} ({KINDS[kind]})"
