"""The quality gate: explainable measures of a photograph, and two linear models on them.

Everything is measured on the retina's box brought to one small square, so that the numbers do not
depend on the size of the file, and inside the ellipse that fills the square, so that neither border
nor labels count.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from retina.assessment import Quality, Verdict
from retina.images.field_of_view import FieldOfView, find_retina

GreyLevels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

WORKING_SIDE = 128
"""Side of the square, in pixels: the large vessels are still two pixels wide."""

_ROWS, _COLUMNS = (np.mgrid[:WORKING_SIDE, :WORKING_SIDE] + 0.5) / WORKING_SIDE * 2 - 1
_RADIUS = np.hypot(_ROWS, _COLUMNS)
_FIELD: Mask = _RADIUS <= 0.92
_CORE: Mask = _RADIUS <= 0.85  # where a filter does not reach past the field
_CORNER = WORKING_SIDE // 12
_DARK, _GLARING = 30, 230  # grey levels
_VESSEL = 0.005  # darkening of a line that counts as seen, as a share of its surroundings
_NARROW, _WIDE = 1.2, 2.0  # deviation of the filters for lines, in pixels of the square
_TINY = 0.002  # keeps logarithms finite


def measure_quality(image: Image.Image, retina: FieldOfView | None = None) -> dict[str, float]:
    """Measure a photograph.

    ``log`` is the natural logarithm, and 'contrast' is that of the green channel to its
    surroundings, as a share of their level (Weber's contrast).

    Args:
        image: Upright RGB of any size.
        retina: What ``find_retina`` found in it; looked for if None.

    Returns:
        By name:

        - ``brightness``: log of the mean brightest channel; ``dark``: share of the field where it
          is below 30 of 255; ``glare``: share where red and green are above 230.
        - ``shade``, ``hot_spot``: log of how much darker the darkest, and brighter the brightest,
          twentieth of the field is than its middle level.
        - ``red``, ``blue``: mean shares of the light; ``red_over_green``: the difference of theirs;
          ``colour_spread``: log of how much the shares vary over the field.
        - ``vessels``, ``wide_vessels``: log of the 90th percentile of dark lines, by the curvature
          of the contrast across less that along them; ``vessel_peak``: log of how far the strongest
          lines stand out from the middle ones; ``dark_lines``: log of the ratio of dark to bright
          lines; ``seen``: share of the field with dark lines nearby.
        - ``sharpness``: log of the ratio of fine to medium detail; ``texture``, ``blotches``: log
          of the contrast of medium and of coarse detail; ``edges``, ``strong_edges``: log of the
          median and 95th percentile of the slopes of log brightness.
        - ``corners``, ``darkest_corner``: log of the corners' mean and least light to the field's;
          ``one_sided``: difference of opposite sides' corners; ``aspect``: log of the longer to the
          shorter side.
    """
    retina = find_retina(image) if retina is None else retina
    square = image.resize(
        (WORKING_SIDE, WORKING_SIDE), Image.Resampling.BILINEAR, box=retina.box, reducing_gap=2.0
    )
    pixels = np.asarray(square, dtype=np.float32)
    red, green, blue = (np.ascontiguousarray(pixels[..., channel]) for channel in range(3))
    light: GreyLevels = np.maximum(np.maximum(red, green), blue)
    width, height = retina.right - retina.left, retina.bottom - retina.top
    return (
        _exposure(light, np.minimum(red, green))
        | _colour(red, green, blue)
        | _detail(green)
        | _edges(light)
        | _corners(light)
        | {"aspect": abs(float(np.log(width / height)))}
    )


def _exposure(light: GreyLevels, yellow: GreyLevels) -> dict[str, float]:
    dim, middle, bright = np.percentile(_field_mean(light, 8)[_FIELD], (5, 50, 95)) + 5
    return {
        "brightness": float(np.log(light[_FIELD].mean() + 4)),
        "dark": float((light[_FIELD] < _DARK).mean()),
        "glare": float((yellow[_FIELD] > _GLARING).mean()),
        "shade": float(np.log(middle / dim)),
        "hot_spot": float(np.log(bright / middle)),
    }


def _colour(red: GreyLevels, green: GreyLevels, blue: GreyLevels) -> dict[str, float]:
    total = red + green + blue + 15
    shares = np.stack([_field_mean(part / total, 4)[_FIELD] for part in (red, green, blue)])
    reds, greens, blues = shares.mean(axis=1)
    return {
        "red": float(reds),
        "blue": float(blues),
        "red_over_green": float(reds - greens),
        "colour_spread": float(np.log(np.sqrt(shares.var(axis=1).sum()) + 0.003)),
    }


def _detail(green: GreyLevels) -> dict[str, float]:
    level = _field_mean(green, 6)
    contrast: GreyLevels = np.where(_FIELD, (green - level) / (level + 6), 0).astype(np.float32)
    dark, bright = _lines(contrast, _NARROW)
    middle, strong, strongest = np.percentile(dark[_CORE], (50, 90, 97)) + _TINY
    wide, _ = _lines(contrast, _WIDE)
    nearby = _field_mean(dark, 8)[_CORE]
    smoothed = [_smooth(contrast, deviation) for deviation in (0.8, 1.6, 3.2, 6.4)]
    fine, medium, coarse = (
        float(np.sqrt(np.square(finer - coarser)[_CORE].mean())) + 0.001
        for finer, coarser in pairwise(smoothed)
    )
    return {
        "vessels": float(np.log(strong)),
        "wide_vessels": float(np.log(np.percentile(wide[_CORE], 90) + _TINY)),
        "vessel_peak": float(np.log(strongest / middle)),
        "dark_lines": float(np.log((dark[_CORE].mean() + _TINY) / (bright[_CORE].mean() + _TINY))),
        "seen": float((nearby > _VESSEL).mean()),
        "sharpness": float(np.log(fine / medium)),
        "texture": float(np.log(medium)),
        "blotches": float(np.log(coarse)),
    }


def _edges(light: GreyLevels) -> dict[str, float]:
    level = np.where(_FIELD, _field_mean(np.log(light + 8), 3), 0).astype(np.float32)
    slopes = np.hypot(_filtered(level, 1, 1, 0), _filtered(level, 1, 0, 1))[_CORE]
    median, strong = np.percentile(slopes, (50, 95)) + _TINY
    return {"edges": float(np.log(median)), "strong_edges": float(np.log(strong))}


def _corners(light: GreyLevels) -> dict[str, float]:
    level = float(np.median(light[_CORE])) + 5
    first, last = slice(None, _CORNER), slice(-_CORNER, None)
    corners = np.array([[light[row, column].mean() for column in (first, last)]
                        for row in (first, last)])  # fmt: skip
    corners = (corners + 5) / level
    sides = np.abs(np.concatenate((np.diff(corners.mean(axis=0)), np.diff(corners.mean(axis=1)))))
    return {
        "corners": float(np.log(corners.mean())),
        "darkest_corner": float(np.log(corners.min())),
        "one_sided": float(sides.max()),
    }


def _lines(contrast: GreyLevels, deviation: float) -> tuple[GreyLevels, GreyLevels]:
    """Dark and bright lines: the curvature across a line, less that along it, where positive.

    The curvatures are the eigenvalues of the Hessian of Gaussian scale space, as in Lindeberg,
    International Journal of Computer Vision 1998;30(2):117-154.
    """
    across = _filtered(contrast, deviation, 0, 2)
    down = _filtered(contrast, deviation, 2, 0)
    diagonal = _filtered(contrast, deviation, 1, 1)
    mean, spread = (across + down) / 2, np.hypot((across - down) / 2, diagonal)
    largest, smallest = mean + spread, mean - spread
    dark: GreyLevels = np.maximum(largest - np.abs(smallest), 0)
    bright: GreyLevels = np.maximum(-smallest - np.abs(largest), 0)
    return dark, bright


def _field_mean(values: GreyLevels, deviation: float) -> GreyLevels:
    """Gaussian mean over those neighbours that lie in the field."""
    mean: GreyLevels = _smooth(np.where(_FIELD, values, 0).astype(np.float32), deviation)
    return mean / _field_weight(deviation)


@cache
def _field_weight(deviation: float) -> GreyLevels:
    weight: GreyLevels = np.maximum(_smooth(_FIELD.astype(np.float32), deviation), 1e-3)
    return weight


def _smooth(values: GreyLevels, deviation: float) -> GreyLevels:
    return _filtered(values, deviation, 0, 0)


def _filtered(values: GreyLevels, deviation: float, down: int, across: int) -> GreyLevels:
    """The derivative of these orders of the smoothed values, times deviation ** (sum of orders)."""
    filtered = _gaussian(deviation, down) @ values @ _gaussian(deviation, across).T
    return filtered.astype(np.float32, copy=False)


@cache
def _gaussian(deviation: float, order: int) -> GreyLevels:
    """(128, 128) matrix that filters columns with a Gaussian or its first or second derivative."""
    position = np.arange(WORKING_SIDE)
    distance = (position[:, None] - position[None, :]) / deviation
    weights = np.exp(-(distance**2) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    if order == 1:
        weights *= -distance
    if order == 2:
        weights *= distance**2 - 1
    matrix: GreyLevels = weights.astype(np.float32)
    return matrix


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
_DARK_REASON = (
    "The photograph is dark: use a stronger flash, or let the pupil widen in a dark room."
)
_GLARE = (
    "Part of the photograph is glaring: use less flash, keep stray light out, and move the camera "
    "until the reflection is gone."
)
_UNEVEN = "The retina is lit unevenly: centre the camera on the pupil, and mind lashes and eyelid."
_FIELD_REASON = (
    "Only a part of the retina is seen, or it is cut off: centre the camera on the pupil and keep "
    "the whole round field in the picture."
)
_HAZE = "The colours are washed out or unusual: check flash and white balance, and clean the lens."

# Each reason speaks where one of its measures is below (-1) or above (+1) its usual range.
_SIGNS: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = (
    (_DARK_REASON, (("brightness", -1), ("dark", +1))),
    (_GLARE, (("brightness", +1), ("glare", +1), ("hot_spot", +1))),
    (_UNEVEN, (("shade", +1),)),
    (_FIELD_REASON, (("corners", +1), ("darkest_corner", +1), ("one_sided", +1), ("aspect", +1))),
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


def assess_quality(image: Image.Image, retina: FieldOfView | None = None) -> Quality:
    """The gate's verdict on a photograph.

    The score is the lesser probability of the two models, shifted so that 0.5 is where the gate
    refuses. ``usable`` are those of the lowest tenth of photographs fit to be graded. The size of
    the image does not count, as long as the vessels are still to be seen in it.

    Args:
        image: Upright RGB.
        retina: What ``find_retina`` found in it; looked for if None.

    Returns:
        The verdict, the score, and, but for ``good``, one to three reasons, the gravest first.
    """
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
    """The measures outside their usual range, the farthest first; never empty."""
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
