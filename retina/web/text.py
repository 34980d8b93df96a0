"""Every string of the page, in one place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from retina.assessment import Assessment
from retina.evaluation.trust import Matrix, Proportion, precision_of
from retina.explain.methods import GRAD_CAM
from retina.models.config import CheckpointConfig, StartedFrom
from retina.scale import GRADES, NUM_GRADES, REFERABLE_FROM, SIGHT_THREATENING_FROM

TITLE = "Retina"
SUBTITLE = "Grades diabetic retinopathy, 0 to 4, from one colour photograph of the fundus"

TAB_GRADE = "Grade"
TAB_COMPARE = "Compare"
BUTTON_GRADE = "Grade"
BUTTON_COMPARE = "Compare"
BUTTON_CANCEL = "Cancel"
BUTTON_ANYWAY = "Grade anyway"

UPLOAD = "One photograph, or one of each eye: JPEG, PNG, TIFF, WebP or BMP"
UPLOAD_ONE = "Photograph of one eye: JPEG, PNG, TIFF, WebP or BMP"
TOO_MANY = "{count} photographs were chosen: choose one, or one of each eye of the same patient."
SAME_TWICE = "The two photographs are one and the same: choose one of each eye, or only one."
QUALITY = {
    "good": "The photograph is good enough to be graded.",
    "usable": "The photograph can be graded, but could be better.",
    "reject": "The photograph is too poor to be graded.",
}

STAGE = "The photograph. Plus and minus zoom, arrow keys move it."
VIEWS = "View"
VIEW_PHOTOGRAPH = "Photograph"
VIEW_RED_FREE = "Red-free"
VIEW_SQUARE = "As the model sees it"
SQUARE_ALT = "The square that the model was given: the retina, cropped and resized"
ZOOM, ZOOM_IN, ZOOM_OUT, ZOOM_RESET = "Zoom", "Zoom in", "Zoom out", "Show the whole photograph"

MODEL = "Model"
METHOD = "Heatmap by"
HEATMAP = "Where the model looked"
HEATMAP_ALT = "Heatmap of where the model looked for its grade"
WIPE = "Photograph to heatmap"
OPACITY = "Opacity"
SCALE_NONE = "no evidence"
MATRIX = "Its answers on test photographs: rows are the true grades, columns what it answered"
TRUST = "How far to trust this answer"
INTERVALS = "In brackets: 95\N{NO-BREAK SPACE}% intervals."
LET_GO = (
    "The page has let this photograph go: what is uploaded is deleted after a while. Choose it "
    "again."
)
PROBABILITIES = "Calibrated probabilities"

DRAWN_EXAMPLES = "Examples to click, all drawn by a program: none is a patient's eye"
OWN_EXAMPLES = "Examples to click"

PICK_TWO = "Pick two models for a closer look."
CLOSER = "Closer look"

NO_PHOTOGRAPH = "There is no photograph yet: choose one, or click an example."
NO_ADDRESSES = "This page fetches nothing from other addresses: give it a file of your own."
ERROR_TITLE = "This did not work"
NO_MODEL = (
    "There is no trained model in the checkpoints folder, so nothing can be graded yet. "
    "Train one, then start the page anew."
)
TRAIN_COMMANDS = (
    "python train.py --data synthetic --model resnet18 --scratch --image-size 128 --lr 0.02",
    "python app.py --checkpoints runs/DATE",
)
NO_MATRIX = "This model has not been evaluated on a test part, so it has no confusion matrix."
MATRIX_TITLE = "{name}: {count} test photographs"

NOT_GRADED = "Not graded"
RETAKE = "This photograph cannot be graded as it is. Please take it again:"
UNGRADABLE_TWICE = (
    "Ungradable twice means refer: an eye that cannot be photographed well is to be examined."
)
NO_DR_NOTE = (
    "“No DR” says only that the model saw no sign of diabetic retinopathy in this photograph."
)
WARNINGS = "Please note"

_GRAD_CAM_CAPTION = (
    "The stronger the colour, the more this place spoke for the grade; the scale is the same for "
    "every photograph that this model grades. It does not mark lesions."
)
_RELATIVE_CAPTION = (
    "By {method}, through the grad-cam library: the colours are scaled to the strongest place of "
    "this very photograph, so even a map without evidence looks full. It does not mark lesions."
)

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
_DISAGREE = "The models disagree: {votes}. Their grades lie {spread} apart."
_ALL_REFER = " All would refer."
_NONE_REFER = " None would refer."
_REFER_DISAGREE = " {refer} of {count} would refer."
_NONE_GRADED = "The quality of this photograph is too poor: no model graded it."


def share(probability: float) -> str:
    """A probability as a whole percentage, never quite 0 or 100: no model is that sure."""
    if probability < 0.005:
        return "<1\N{NO-BREAK SPACE}%"
    if probability >= 0.995:
        return ">99\N{NO-BREAK SPACE}%"
    return f"{100 * probability:.0f}\N{NO-BREAK SPACE}%"


def grade_of(number: int) -> str:
    """Where a grade stands on the scale, and how the scale defines it."""
    meaning = GRADES[number].meaning
    return (
        f"Grade {number} on a scale of 0 to {NUM_GRADES - 1}, which defines it so: "
        f"{meaning[0].lower()}{meaning[1:]} The model judges the whole photograph and finds no "
        "single lesion."
    )


def referral(assessment: Assessment, threshold: float) -> tuple[str, str]:
    """The verdict on referral, in a word, and its reason, in a sentence."""
    probability = assessment.referable_probability or 0.0
    told = [share(probability), share(threshold)]
    if told[0] == told[1]:
        told = [f"{100 * value:.2f}\N{NO-BREAK SPACE}%" for value in (probability, threshold)]
    numbers = (
        f"the probability of grade {REFERABLE_FROM} or above is {told[0]}, "
        f"and this model refers from {told[1]}."
    )
    by_grade = (assessment.grade or 0) >= REFERABLE_FROM
    if by_grade == bool(assessment.referable):
        reason = numbers[0].upper() + numbers[1:]
    elif assessment.referable:
        reason = f"Although {assessment.label} is the likeliest grade, {numbers}"
    else:
        reason = f"Although {assessment.label} alone would mean referral, {numbers}"
    return ("Refer" if assessment.referable else "Below the referral threshold"), reason


def operating_point(referable: Mapping[str, Any]) -> str:
    """How the referral threshold did on the test part, from ``metrics.json``."""
    return f"At this threshold, on its test photographs: {_sensitivity(referable)}."


def elsewhere(name: str, metrics: Mapping[str, Any]) -> str:
    """How a model did on photographs of another place, from ``evaluations/NAME.json``."""
    unit = "patients" if metrics.get("by_patient") else "photographs"
    kappa = _plain(metrics["quadratic_weighted_kappa"])
    return (
        f"Elsewhere, on {metrics['n']:,} {unit} of {name}: {_sensitivity(metrics['referable'])}, "
        f"quadratic weighted kappa {kappa}."
    )


def right_of_its_answers(matrix: Matrix, grade: int) -> str:
    """How often this answer was right in the test, with Wilson's 95 % interval."""
    label = GRADES[grade].label
    right = precision_of(matrix, grade)
    if right is None:
        return (
            f"In its test this model never answered {label}, so nobody knows how often that is "
            "right."
        )
    if right.count == 1:
        return (
            f"In its test this model answered {label} once only, "
            f"{'rightly' if right.hits else 'wrongly'}."
        )
    sentence = (
        f"Of the {right.count:,} test photographs that this model called {label}, "
        f"{_proportion(right)} were {label}"
    )
    missed = sum(row[grade] for row in matrix[REFERABLE_FROM:])
    if grade >= REFERABLE_FROM or not missed:
        return f"{sentence}."
    worse = GRADES[REFERABLE_FROM].label
    return f"{sentence}; {missed:,} {'was' if missed == 1 else 'were'} {worse} or worse."


def tested_on(metrics: Mapping[str, Any], config: CheckpointConfig) -> str:
    """On whose eyes the model was tested, and what the brackets are."""
    shared = config.data.shared_patients
    known = (
        f", {share_of_row(shared)} of a patient whose other photographs it was trained on"
        if shared
        else " that it had not seen"
    )
    return (
        f"It was tested on {metrics['n']:,} photographs of {config.data.name}{known}; other people "
        f"and other cameras may fare worse. {INTERVALS}"
    )


def progress(done: int, count: int) -> str:
    """How far a comparison has come."""
    return f"{done} of {count} models have answered."


def called(label: str) -> str:
    """The head of a column of the confusion matrix."""
    return f"called {label}"


def share_of_row(value: float) -> str:
    """A share in the confusion matrix: 0 or 100 % only where it is exactly that."""
    return f"{100 * value:.0f}\N{NO-BREAK SPACE}%" if value in (0, 1) else share(value)


def heatmap_caption(method: str) -> str:
    """What a heatmap's colours mean."""
    if method == GRAD_CAM:
        return _GRAD_CAM_CAPTION
    return _RELATIVE_CAPTION.format(method=method)


def scale_end(method: str) -> str:
    """What stands at the strong end of the colour bar."""
    if method == GRAD_CAM:
        return "strongest 1\N{NO-BREAK SPACE}% on validation"
    return "this photograph’s strongest"


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


def sight_threatening(probability: float) -> str:
    """The probability of disease that threatens sight."""
    return (
        f"The probability of grade {SIGHT_THREATENING_FROM} or above, which threatens sight, "
        f"is {share(probability)}."
    )


def provenance(assessment: Assessment) -> str:
    """Which file was graded or refused, by which weights, how quickly."""
    image = assessment.image
    done = "graded by" if assessment.grade is not None else "refused by the quality gate before"
    return (
        f"{image.name}, {image.width} × {image.height} pixels, {done} {assessment.model} "
        f"(weights {assessment.model_sha256[:12]}) in {assessment.seconds:.1f} s"
    )


def started_from(weights: StartedFrom) -> str:
    """What the training of a model started from."""
    if weights.kind == "random":
        return "Trained from scratch, from random weights."
    if weights.kind == "imagenet":
        return "Trained from ImageNet weights."
    return f"Did not start from ImageNet weights, but from {weights.source.rstrip('.')}."


def network(config: CheckpointConfig) -> str:
    """A model's network and the size of what it sees."""
    size = config.preprocessing.size
    return f"{config.architecture} at {size} × {size} pixels."


def _sensitivity(referable: Mapping[str, Any]) -> str:
    sensitivity, specificity = (
        _with_interval(referable[name]) for name in ("sensitivity", "specificity")
    )
    return f"sensitivity {sensitivity}, specificity {specificity}"


def _plain(figure: Any) -> str:
    if not isinstance(figure, Mapping):
        return "unknown" if figure is None else f"{figure:.2f}"
    told = f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
    return told.replace("-", "−")


def _with_interval(figure: Any) -> str:
    if not isinstance(figure, Mapping):
        return "unknown" if figure is None else share_of_row(figure)
    low, high = 100 * figure["low"], 100 * figure["high"]
    return f"{share_of_row(figure['value'])} ({low:.0f}–{high:.0f})"


def _proportion(of: Proportion) -> str:
    return f"{share_of_row(of.value)} ({100 * of.low:.0f}–{100 * of.high:.0f})"


def agreement(assessments: Sequence[Assessment]) -> str:
    """Whether models agree on one photograph, in one or two sentences."""
    grades = [a.grade for a in assessments if a.grade is not None]
    if not grades:
        return _NONE_GRADED
    if len(assessments) == 1:
        return _ONE_MODEL.format(label=GRADES[grades[0]].label)
    if len(set(grades)) == 1:
        sentence = _AGREE.format(count=len(grades), label=GRADES[grades[0]].label)
    else:
        votes = ", ".join(
            f"{count} {'says' if count == 1 else 'say'} {GRADES[grade].label}"
            for grade, count in sorted(Counter(grades).items())
        )
        distance = max(grades) - min(grades)
        spread = "1 grade" if distance == 1 else f"up to {distance} grades"
        sentence = _DISAGREE.format(votes=votes, spread=spread)
    refer = sum(bool(a.referable) for a in assessments)
    if refer == 0:
        return sentence + _NONE_REFER
    if refer == len(assessments):
        return sentence + _ALL_REFER
    return sentence + _REFER_DISAGREE.format(refer=refer, count=len(assessments))


def drawn_example(grade: int) -> str:
    """The caption of a drawn example."""
    return f"{GRADES[grade].label} (drawn)"


# The Models tab; what stands on it is in models_text.py.
TAB_MODELS = "Models"
