"""Every string of the page, in one place."""

from collections import Counter
from collections.abc import Sequence

from retina.assessment import Assessment
from retina.models.config import CheckpointConfig, StartedFrom
from retina.scale import GRADES, NUM_GRADES, REFERABLE_FROM, SIGHT_THREATENING_FROM

TITLE = "Retina"
SUBTITLE = "Grades diabetic retinopathy, 0 to 4, from one colour photograph of the fundus"

TAB_GRADE = "Grade"
TAB_COMPARE = "Compare"
BUTTON_GRADE = "Grade"
BUTTON_COMPARE = "Compare"
BUTTON_ANYWAY = "Grade anyway"

UPLOAD = "Photograph of one eye: JPEG, PNG, TIFF, WebP or BMP"
PHOTOGRAPH = "The photograph"
PHOTOGRAPH_ALT = "The fundus photograph that was chosen"
MODEL = "Model"
HEATMAP = "Where the model looked"
HEATMAP_ALT = "The retina, overlaid with a heatmap of where the model looked for its grade"
HEATMAP_CAPTION = (
    "The stronger the colour, the more this place spoke for the grade; the scale is the same "
    "for every photograph. It does not mark lesions."
)
MATRIX = "Its answers on test photographs"
MATRIX_ALT = "Confusion matrix of this model: rows are true grades, columns are its answers"
PROBABILITIES = "Calibrated probabilities"

DRAWN_EXAMPLES = "Examples to click, all drawn by a program: none is a patient's eye"
OWN_EXAMPLES = "Examples to click"

NO_PHOTOGRAPH = "There is no photograph yet: choose one, or click an example."
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

API_GRADE = "Grade one photograph: assessment, heatmap picture, the model's confusion matrix."
API_COMPARE = "Grade one photograph with every model: a list of assessments, in /models' order."
API_MODELS = "The models of this page: name, weights, origin, image size and test figures."

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
    """Where a grade stands on the scale."""
    return f"Grade {number} on a scale of 0 to {NUM_GRADES - 1}. {GRADES[number].meaning}"


def referral(assessment: Assessment, threshold: float) -> tuple[str, str]:
    """The verdict on referral, in a word, and its reason, in a sentence."""
    probability = assessment.referable_probability or 0.0
    reason = (
        f"The probability of grade {REFERABLE_FROM} or above is {share(probability)}; "
        f"this model refers from {share(threshold)}."
    )
    return ("Refer" if assessment.referable else "Below the referral threshold"), reason


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


# The Models tab.
TAB_MODELS = "Models"
