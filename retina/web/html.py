"""The page's own HTML, in which everything from outside is escaped, and the pictures in it."""

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from retina.assessment import Assessment, Quality
from retina.explain.overlay import heat_colours, heat_layer
from retina.images.decode import read_photograph
from retina.images.photograph import Photograph
from retina.images.prepare import Preprocessing
from retina.models.config import CheckpointConfig
from retina.reporting.figures import confusion_matrix_figure, text_on
from retina.reporting.formatting import template
from retina.scale import GRADES, NOT_ASSESSED, RESEARCH_ONLY
from retina.web import text

if TYPE_CHECKING:
    from retina.inference.grader import Grader


if TYPE_CHECKING:
    from retina.models.checkpoint import Checkpoint


VIEW_SIDE = 2048
"""The longer side, in pixels, of a photograph on the page: enough to zoom into."""

_LAYER_SIDE = 448
_KEPT = 8  # views; each is a few hundred kilobytes of text


@dataclass(frozen=True)
class View:
    """A photograph as a browser shows it.

    Attributes:
        name: The file's.
        source: A ``data:`` address.
        width: Of what ``source`` holds, in pixels.
        height: Likewise.
        quality: What the gate says of the photograph.
    """

    name: str
    source: str
    width: int
    height: int
    quality: Quality


@dataclass(frozen=True)
class Heat:
    """Where a model looked, to be laid over a view.

    Attributes:
        method: One of ``retina.explain.methods.METHODS``.
        layer: A ``data:`` address of the colours.
        square: A ``data:`` address of the square that the model was given.
        left: Where the layer begins, in percent of the view's width.
        top: In percent of its height.
        width: As ``left``.
        height: As ``top``.
    """

    method: str
    layer: str
    square: str
    left: float
    top: float
    width: float
    height: float


@lru_cache(maxsize=_KEPT)
def view_of(path: str) -> View:
    """The view of an upload, made once and kept in memory while few others follow.

    Raises:
        ImageError: It is no photograph that can be read.
    """
    photograph = read_photograph(path, at_least=VIEW_SIDE)
    quality = photograph.quality
    view = photograph.image.copy()
    view.thumbnail((VIEW_SIDE, VIEW_SIDE), Image.Resampling.LANCZOS)
    return View(photograph.name, picture_address(view, "jpeg", quality=88), *view.size, quality)


def heat_of(
    photograph: Photograph,
    settings: Preprocessing,
    heatmap: npt.NDArray[np.float32],
    scale: float,
    method: str,
) -> Heat:
    """Lay out a heatmap of a photograph.

    Args:
        photograph: Of the photograph, at any size.
        settings: The model's.
        heatmap: (h, w) over the square.
        scale: The value shown at full strength.
        method: That made the heatmap.
    """
    width, height = photograph.image.size
    left, top, right, bottom = photograph.box(settings)
    return Heat(
        method,
        picture_address(heat_layer(heatmap, scale, (_LAYER_SIDE, _LAYER_SIDE)), "png"),
        picture_address(photograph.square(settings), "png"),
        100 * left / width,
        100 * top / height,
        100 * (right - left) / width,
        100 * (bottom - top) / height,
    )


def colour_bar() -> str:
    """A CSS gradient of the heatmap's colours, from no evidence to the end of the scale."""
    stops = ", ".join(
        f"rgb({red} {green} {blue} / {alpha / 255:.2f})"
        for red, green, blue, alpha in heat_colours(np.linspace(0, 1, 9))
    )
    return f"linear-gradient(to right, {stops})"


def picture_address(picture: Image.Image, kind: str, **options: int) -> str:
    """A ``data:`` address of a picture, saved by Pillow as ``kind`` with ``options``."""
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


MATRIX_DPI = 120


def matrix_picture(grader: "Grader") -> Image.Image | None:
    """The confusion matrix of a model's test split; None where it has not been evaluated."""
    metrics = grader.checkpoint.metrics
    if metrics is None:
        return None
    matrix = metrics["confusion_matrix"]
    count = sum(sum(row) for row in matrix)
    figure = confusion_matrix_figure(
        matrix, text.MATRIX_TITLE.format(name=grader.name, count=count)
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=MATRIX_DPI)
    return Image.open(buffer).convert("RGB")


# No name can imitate it, because a name's "<" is escaped.
_ANSWER = re.compile(
    r'<section class="\w+" data-photograph="(.*?)"(?: data-model="(.*?)")?',
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


def shade(share: float) -> str:
    """The background of a cell of a confusion matrix: darker blue for a larger share, 0 to 1."""
    pale, deep = (244, 247, 251), (8, 69, 148)
    mixed = (round(p + share * (d - p)) for p, d in zip(pale, deep, strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)


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


def progress_html(sentence: str) -> str:
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


def viewers(views: Sequence[View], results: Sequence[Result] = (), *, heat: bool = False) -> str:
    """Photographs to look at closely.

    Args:
        views: The photographs.
        results: The answers, in the same order; none before they are graded.
        heat: Whether the heatmaps are seen at once, not only on demand.
    """
    return str(_PAGE.viewers(views, results, heat))


def agreement_html(answers: Sequence[Assessment], left_out: Sequence[str] = ()) -> str:
    """Whether the models agree, above their answers, and why others do not answer."""
    return str(_PAGE.agreement(answers, left_out))


def compared(view: View, results: Sequence[Result]) -> str:
    """All models' answers for one photograph, side by side."""
    return str(_PAGE.compared(view, results))


def answers_to(html: str, photographs: Sequence[str], model: str | None = None) -> bool:
    """Whether markup made here answers for photographs, by SHA-256, and a model if one is given."""
    answers = _ANSWER.findall(html)
    models = {unescape(name) for _, name in answers}
    return sorted(sha256 for sha256, *_ in answers) == sorted(photographs) and (
        model is None or model in models
    )
