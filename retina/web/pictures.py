"""The pictures that the page shows: the photograph, its heatmap, a model's confusion matrix."""

import io

from PIL import Image

from retina.assessment import Assessment
from retina.explain.overlay import overlay_heatmap
from retina.images.decode import Photograph
from retina.images.field_of_view import crop_to_retina
from retina.inference.grader import Grader
from retina.reporting.figures import confusion_matrix_figure
from retina.web import text

VIEW_SIDE = 768
"""The longer side, in pixels, of a photograph as the page shows it."""

MATRIX_DPI = 120


def preview(photograph: Photograph) -> Image.Image:
    """The photograph as a browser can show it, ``VIEW_SIDE`` pixels or less."""
    return _fit(photograph.image)


def heatmap_picture(
    photograph: Photograph, assessment: Assessment, grader: Grader
) -> Image.Image | None:
    """The heatmap over what the model was shown, in its own aspect; None if nothing was graded."""
    if assessment.heatmap is None:
        return None
    config = grader.checkpoint.config
    crop = config.preprocessing.crop
    view = _fit(crop_to_retina(photograph.image) if crop else photograph.image)
    return overlay_heatmap(view, assessment.heatmap, config.heatmap_scale)


def matrix_picture(grader: Grader) -> Image.Image | None:
    """The confusion matrix of a model's test part; None where it has not been evaluated."""
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


def _fit(image: Image.Image) -> Image.Image:
    view = image.copy()
    view.thumbnail((VIEW_SIDE, VIEW_SIDE), Image.Resampling.LANCZOS)
    return view
