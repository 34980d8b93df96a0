"""Whether a photograph can be graded: a retina at all, and well enough seen.

Two logistic models over the measures of ``measure_quality`` answer one question each. Their numbers
lie in ``quality.json``, made by ``scripts/fit_quality.py``; ``docs/quality.md`` has the rates.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from retina.assessment import Quality, Verdict
from retina.images.decode import Photograph
from retina.images.field_of_view import FieldOfView
from retina.images.measures import measure_quality

NUMBERS = Path(__file__).with_name("quality.json")
REJECT_BELOW = 0.5
"""Of the score: the biases in ``quality.json`` are shifted so that this is the threshold."""

_GRAVE = 0.3  # of the gravest reason's distance from the usual, for another to be worth saying

MAX_REASONS = 3
NO_FUNDUS = (
    "This does not look like a photograph of the back of the eye: choose a colour fundus "
    "photograph of one eye."
)
UNCLEAR = (
    "Vessels and small details are hard to tell apart: focus again, clean the lens, and take the "
    "photograph just after a blink."
)
_DARK = "The photograph is dark: use a stronger flash, or let the pupil widen in a dark room."
_GLARE = (
    "Part of the photograph is glaring: use less flash, keep stray light out, and move the camera "
    "until the reflection is gone."
)
_UNEVEN = "The retina is lit unevenly: centre the camera on the pupil, and mind lashes and eyelid."
_FIELD = (
    "Only a part of the retina is seen, or it is cut off: centre the camera on the pupil and keep "
    "the whole round field in the picture."
)
_HAZE = "The colours are washed out or unusual: check flash and white balance, and clean the lens."

# Each reason speaks where one of its measures is below (-1) or above (+1) its usual range.
_SIGNS: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = (
    (_DARK, (("brightness", -1), ("dark", +1))),
    (_GLARE, (("brightness", +1), ("glare", +1), ("hot_spot", +1))),
    (_UNEVEN, (("shade", +1),)),
    (_FIELD, (("corners", +1), ("darkest_corner", +1), ("one_sided", +1), ("aspect", +1))),
    (UNCLEAR, (("vessels", -1), ("vessel_peak", -1), ("seen", -1), ("sharpness", -1),
               ("texture", -1))),
    (_HAZE, (("blue", +1), ("red", -1), ("red_over_green", -1), ("colour_spread", +1))),
)  # fmt: skip


@dataclass(frozen=True)
class _Measure:
    """Centre and scale of a measure in the fit, and its usual range on photographs to grade."""

    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class _Model:
    bias: float
    weights: dict[str, float]


@dataclass(frozen=True)
class _Gate:
    measures: dict[str, _Measure]
    fundus: _Model
    gradable: _Model
    good_from: float


def assess_quality(
    photograph: Photograph | Image.Image, retina: FieldOfView | None = None
) -> Quality:
    """The gate's verdict on a photograph.

    The score is the lesser probability of the two models, shifted so that 0.5 is where the gate
    refuses. ``usable`` are those of the lowest tenth of photographs fit to be graded. The size of
    the picture does not count, as long as the vessels are still to be seen in it.

    Args:
        photograph: Upright RGB.
        retina: What ``find_retina`` found in it; looked for if None.

    Returns:
        The verdict, the score, and, but for ``good``, one to three reasons, the gravest first.
    """
    image = photograph.image if isinstance(photograph, Photograph) else photograph
    values = measure_quality(image, retina)
    gate = _gate()
    fundus, gradable = (_probability(model, values) for model in (gate.fundus, gate.gradable))
    score = min(fundus, gradable)
    verdict: Verdict = (
        "reject" if score < REJECT_BELOW else "usable" if score < gate.good_from else "good"
    )
    reasons: tuple[str, ...] = ()
    if verdict != "good":
        reasons = (NO_FUNDUS,) if fundus < REJECT_BELOW else ()
        if gradable < REJECT_BELOW or not reasons:
            reasons = (*reasons, *_reasons(values))[:MAX_REASONS]
    return Quality(verdict, score, reasons)


def _probability(model: _Model, values: dict[str, float]) -> float:
    measures = _gate().measures
    logit = model.bias + sum(
        weight * (values[name] - measures[name].mean) / measures[name].deviation
        for name, weight in model.weights.items()
    )
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


def _reasons(values: dict[str, float]) -> tuple[str, ...]:
    """What is outside its usual range, the farthest first; never empty."""
    excesses = [
        (max(_excess(name, side, values[name]) for name, side in signs), reason)
        for reason, signs in _SIGNS
    ]
    farthest = max(excess for excess, _ in excesses)
    found = sorted((each for each in excesses if each[0] > 0), key=lambda each: -each[0])
    grave = tuple(reason for excess, reason in found if excess > _GRAVE * farthest)
    return grave or (UNCLEAR,)


def _excess(name: str, side: int, value: float) -> float:
    measure = _gate().measures[name]
    beyond = value - measure.high if side > 0 else measure.low - value
    return beyond / measure.deviation


@cache
def _gate() -> _Gate:
    numbers: dict[str, Any] = json.loads(NUMBERS.read_text(encoding="utf-8"))
    return _Gate(
        {name: _Measure(**values) for name, values in numbers["measures"].items()},
        _Model(**numbers["fundus"]),
        _Model(**numbers["gradable"]),
        numbers["good_from"],
    )
