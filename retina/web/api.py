"""What gradio_client calls: ``/grade``, ``/compare`` and ``/models``."""

from collections.abc import Sequence

import gradio as gr

from retina.web import text
from retina.web.handlers import MODEL_QUEUE, Handlers


def add_api(handlers: Handlers, names: Sequence[str]) -> None:
    """Add the endpoints to the page that is being built, apart from what the page shows.

    Args:
        handlers: What they call.
        names: The models'; the first is the default of ``/grade``.
    """
    with gr.Row(visible=False):
        image = gr.File(label="image")
        model = gr.Textbox(names[0] if names else "", label="model")
        anyway = gr.Checkbox(False, label="anyway")
        assessment, assessments = gr.JSON(label="assessment"), gr.JSON(label="assessments")
        pictures = [
            gr.Image(label=label, format="png", interactive=False, buttons=[])
            for label in ("heatmap", "confusion matrix")
        ]
        gr.Button().click(
            handlers.api_grade,
            [image, model, anyway],
            [assessment, *pictures],
            api_name="grade",
            api_description=text.API_GRADE,
            concurrency_id=MODEL_QUEUE,
        )
        gr.Button().click(
            handlers.api_compare,
            image,
            assessments,
            api_name="compare",
            api_description=text.API_COMPARE,
            concurrency_id=MODEL_QUEUE,
        )
        gr.Button().click(
            handlers.api_models,
            None,
            gr.JSON(label="models"),
            api_name="models",
            api_description=text.API_MODELS,
        )
