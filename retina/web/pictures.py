"""A model's confusion matrix, as a picture for the API."""

import io
from typing import TYPE_CHECKING

from PIL import Image

from retina.reporting.figures import confusion_matrix_figure
from retina.web import text

if TYPE_CHECKING:
    from retina.inference.grader import Grader

MATRIX_DPI = 120


def matrix_picture(grader: "Grader") -> Image.Image | None:
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
