"""What the page and its API say, in one place for a translation."""

from collections import Counter
from collections.abc import Sequence

from retina.assessment import Assessment
from retina.files import DEMO, TRAIN
from retina.reporting.assessment_text import *  # noqa: F403  the page says it all as well
from retina.scale import GRADES, REFERABLE_FROM

TITLE = "Retina"
SUBTITLE = "Grades diabetic retinopathy, 0 to 4, from one colour photograph of the fundus"

TAB_GRADE = "Grade"
TAB_COMPARE = "Compare"
BUTTON_GRADE = "Grade"
BUTTON_COMPARE = "Compare"
BUTTON_CANCEL = "Cancel"
BUTTON_ANYWAY = "Grade anyway"

UPLOAD = "One photograph, or one of each eye: JPEG, PNG, TIFF, WebP, BMP or DICOM"
UPLOAD_ONE = "Photograph of one eye: JPEG, PNG, TIFF, WebP, BMP or DICOM"
CHOOSE_OTHERS = "Choose other photographs"
TOO_MANY = "{count} photographs were chosen: choose one, or one of each eye of the same patient."
SAME_TWICE = "The two photographs are one and the same: choose one of each eye, or only one."

STAGE = "The photograph. Plus and minus zoom, arrow keys move it."
VIEWS = "View"
VIEW_PHOTOGRAPH = "Photograph"
VIEW_RED_FREE = "Red-free"
VIEW_SQUARE = "As the model sees it"
SQUARE_ALT = "The square that the model was given: the retina, cropped and resized"
ZOOM, ZOOM_IN, ZOOM_OUT, ZOOM_RESET = "Zoom", "Zoom in", "Zoom out", "Show the whole photograph"

MODEL = "Model"
METHOD = "Heatmap by"
HEATMAP_ALT = "Heatmap of where the model looked for its grade"
WIPE = "Photograph to heatmap"
OPACITY = "Opacity"
MATRIX = "Its answers on test photographs: rows are the true grades, columns what it answered"
LET_GO = (
    "The page has let this photograph go: what is uploaded is deleted after a while. Choose it "
    "again."
)

DRAWN_EXAMPLES = "Examples to click, all drawn by a program: none is a patient's eye"
OWN_EXAMPLES = "Examples to click"

PICK_TWO = "Pick two models for a closer look."
LEFT_OUT = "Left out: {reason}."
CLOSER = "Closer look"

NO_PHOTOGRAPH = "There is no photograph yet: choose one, or click an example."
NO_ADDRESSES = "This page fetches nothing from other addresses: give it a file of your own."
NOT_LOGGED_IN = "This page asks for a password: log in first."
TOO_MANY_LOGINS = "Many passwords are being tried at this page: wait a minute, then log in."
ERROR_TITLE = "This did not work"
GRADIO = {"common.complete": "Done"}
"""What Gradio says to screen readers by a name that it has no words for, in any language."""

NO_MODEL = (
    "There is no trained model in the checkpoints folder, so nothing can be graded yet. "
    "Train one, then start the page anew."
)
TRAIN_COMMANDS = (
    f"{TRAIN} --data synthetic --model resnet18 --scratch --image-size 128 --lr 0.02",
    f"{DEMO} --checkpoints runs/DATE",
)
MATRIX_TITLE = "{name}: {count} test photographs"

_WORSE_EYE = "Worse eye: {name}, {label}."
_EQUAL_EYES = "Both eyes: {label}."
_ONLY_EYE = "Only {name} could be graded: {label}."
_EYE_TOO_POOR = (
    " {name} is too poor to be graded, so it clears nobody: take it again; ungradable twice means "
    "refer."
)
_EYE_UNREAD = " {name} could not be read."
_NO_EYE_GRADED = "Neither photograph could be graded. Ungradable twice means refer."
_PATIENT_REFERRED = " Refer: {names} reached the referral threshold, and one eye is enough."
_PATIENT_WAITS = " Neither eye reaches the referral threshold."
_GRADE_ALONE_REFERS = (
    " Neither eye reaches the referral threshold, although {label} alone would mean referral: see "
    "below."
)

_ONE_MODEL = "Only one model is here, so there is nothing to compare it with: it says {label}."
_AGREE = "All {count} models agree: {label}."
_SOME_GRADED = "{count} of {every} models graded this photograph. "
_SAYS = "It says {label}."
_DISAGREE = "The models disagree: {votes}. Their grades lie {spread} apart."
_ALL_REFER = " All would refer."
_NONE_REFER = " None would refer."
_REFER_DISAGREE = " {refer} of {count} would refer."
_NONE_GRADED = "The quality of this photograph is too poor: no model graded it."


def progress(done: int, count: int) -> str:
    """How far a comparison has come."""
    return f"{done} of {count} models have answered."


def called(label: str) -> str:
    """The head of a column of the confusion matrix."""
    return f"called {label}"


def photograph_alt(name: str) -> str:
    """What a screen reader says of a photograph."""
    return f"Fundus photograph {name}"


def patient(assessments: Sequence[Assessment], unread: Sequence[str] = ()) -> str:
    """Both eyes of a patient in a few sentences: the worse one decides.

    Nobody is cleared while an eye is unread, or too poor, also where it was graded anyway.

    Args:
        assessments: Of the photographs that could be read.
        unread: Names of those that could not.
    """
    graded = [each for each in assessments if each.grade is not None]
    if not graded:
        return _NO_EYE_GRADED + "".join(_EYE_UNREAD.format(name=name) for name in unread)
    worst = max(graded, key=lambda each: (each.grade, each.referable_probability))
    if len(graded) == 1:
        sentence = _ONLY_EYE.format(name=worst.image.name, label=worst.label)
    elif len({each.grade for each in graded}) == 1:
        sentence = _EQUAL_EYES.format(label=worst.label)
    else:
        sentence = _WORSE_EYE.format(name=worst.image.name, label=worst.label)
    poor = [each.image.name for each in assessments if each.quality.verdict == "reject"]
    referred = [each.image.name for each in graded if each.referable]
    if referred:
        sentence += _PATIENT_REFERRED.format(names=" and ".join(referred))
    elif not poor and not unread:
        by_grade = (worst.grade or 0) >= REFERABLE_FROM
        waits = _GRADE_ALONE_REFERS if by_grade else _PATIENT_WAITS
        sentence += waits.format(label=worst.label)
    sentence += "".join(_EYE_TOO_POOR.format(name=name) for name in poor)
    return sentence + "".join(_EYE_UNREAD.format(name=name) for name in unread)


def provenance(assessment: Assessment) -> str:
    """Which file was graded or refused, by which weights, how quickly."""
    image = assessment.image
    done = "graded by" if assessment.grade is not None else "refused by the quality gate before"
    return (
        f"{image.name}, {image.width} × {image.height} pixels, {done} {assessment.model} "
        f"(weights {assessment.model_sha256[:12]}) in {assessment.seconds:.1f} s"
    )


def agreement(assessments: Sequence[Assessment]) -> str:
    """Whether models agree on one photograph, in one or two sentences."""
    graded = [a for a in assessments if a.grade is not None]
    grades = [a.grade for a in graded if a.grade is not None]
    if not grades:
        return _NONE_GRADED
    if len(assessments) == 1:
        return _ONE_MODEL.format(label=GRADES[grades[0]].label)
    some = ""
    if len(graded) < len(assessments):
        some = _SOME_GRADED.format(count=len(graded), every=len(assessments))
    if len(graded) == 1:
        return some + _SAYS.format(label=GRADES[grades[0]].label)
    if len(set(grades)) == 1:
        sentence = some + _AGREE.format(count=len(grades), label=GRADES[grades[0]].label)
    else:
        votes = ", ".join(
            f"{count} {'says' if count == 1 else 'say'} {GRADES[grade].label}"
            for grade, count in sorted(Counter(grades).items())
        )
        distance = max(grades) - min(grades)
        spread = "1 grade" if distance == 1 else f"up to {distance} grades"
        sentence = some + _DISAGREE.format(votes=votes, spread=spread)
    refer = sum(bool(a.referable) for a in graded)
    if refer == 0:
        return sentence + _NONE_REFER
    if refer == len(graded):
        return sentence + _ALL_REFER
    return sentence + _REFER_DISAGREE.format(refer=refer, count=len(graded))


def drawn_example(grade: int) -> str:
    """The caption of a drawn example."""
    return f"{GRADES[grade].label} (drawn)"


# The Models tab; what stands on it is in models.py.
TAB_MODELS = "Models"


REPORT = "Case report"
NAME = "Name to print on it, if you wish"
BUTTON_REPORT = "Make report"
KINDS = {"pdf": "PDF", "html": "web page"}

VERDICT = "Your verdict"
WHICH = "On"
AGREE = "I agree"
VERDICT_UNGRADABLE = "Ungradable"
NOTE = "Note, if you wish: no names"
BUTTON_VERDICT = "Record"
NO_VERDICT = "Choose a verdict first."
RECORDED = "Recorded: {verdict}."
RECORDED_OF = "Recorded of {name}: {verdict}."
BUTTON_VERDICTS = "Download all verdicts (CSV)"
VERDICTS_FILE = "verdicts.csv"
VERDICTS_READY = "All verdicts (CSV)"

CHOICES = [AGREE, *(f"{grade.number} {grade.label}" for grade in GRADES), VERDICT_UNGRADABLE]


def judged(choice: str, assessment: Assessment) -> int | None:
    """The grade of a verdict: None where the photograph is called ungradable."""
    if choice == AGREE:
        return assessment.grade
    return None if choice == VERDICT_UNGRADABLE else int(choice[0])


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


ENDPOINTS = {
    "grade": (
        "Grade one photograph with one model: the assessment, where the model looked, and how "
        "often it is right."
    ),
    "compare": "Grade one photograph with every model, in the order of /models.",
    "triage": "Grade many photographs with one model: a worklist, the most urgent first.",
    "models": "What the models are: names, weights, origin, image size and test figures.",
}

TAKES = {
    "image": (
        "A photograph of one eye: JPEG, PNG, TIFF, WebP, BMP or DICOM. Send the file itself; an "
        "address is not fetched."
    ),
    "images": "Photographs, or ZIP archives of them. One that cannot be read stops no other.",
    "model": "The name of a model, as /models gives it. Left out: the first of them.",
    "anyway": "Grade also where the quality gate refuses the photograph.",
}

EXAMPLE_FILE = "eye.jpg"

GIVES = {
    "assessment": (
        "An object with grade, label, probabilities, referral, quality, warnings and the file's "
        "facts. All between grade and sight_threatening_probability is null where the quality "
        "gate refused the photograph."
    ),
    "heatmap": (
        "A PNG of the retina under the heatmap of where the model looked for its grade; null "
        "where it gave none."
    ),
    "confusion matrix": (
        "A PNG of the model's answers on its test photographs; null where it was not tested."
    ),
    "assessments": "A list of assessments, one of each model.",
    "worklist": (
        "A list of rows, one of each photograph, with urgency, image, patient, eye, grade, label, "
        "the probabilities p0 to p4, quality, warnings and error; the eyes of one patient together."
    ),
    "models": (
        "A list of objects with name, sha256, architecture, initial_weights, image_size and "
        "metrics, which is null where the model was not tested."
    ),
}
