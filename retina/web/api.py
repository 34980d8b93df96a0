"""What gradio_client calls: ``/grade``, ``/compare``, ``/triage`` and ``/models``."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from retina.web.api_text import ENDPOINTS, EXAMPLE_FILE, GIVES, TAKES
from retina.web.handlers import MODEL_QUEUE, Handlers


class Page(gr.Blocks):
    """Gradio's blocks, with a description of the API in our own words."""

    def get_api_info(self, all_endpoints: bool = False, page: str | None = None) -> Any:
        """What Gradio says of each endpoint, with its parameters and answers explained."""
        info = super().get_api_info(all_endpoints=all_endpoints, page=page)
        for endpoint in info["named_endpoints"].values():
            for taken in endpoint["parameters"]:
                words = TAKES[taken["parameter_name"]]
                taken["python_type"]["description"] = words
                taken["type"] = {**taken["type"], "additional_description": words}
                if taken["parameter_has_default"]:
                    taken["example_input"] = taken["parameter_default"]
                else:
                    file = {"path": EXAMPLE_FILE, "url": EXAMPLE_FILE}
                    one = taken["example_input"]
                    taken["example_input"] = (
                        [one[0] | file] if isinstance(one, list) else one | file
                    )
            for given in endpoint["returns"]:
                words = GIVES[given["label"]]
                given["python_type"]["description"] = words
                given["type"] = {**given["type"], "description": words}
        return info


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
            api_description=ENDPOINTS["grade"],
            concurrency_id=MODEL_QUEUE,
        )
        gr.Button().click(
            handlers.api_compare,
            image,
            assessments,
            api_name="compare",
            api_description=ENDPOINTS["compare"],
            concurrency_id=MODEL_QUEUE,
        )
        gr.Button().click(
            handlers.api_triage,
            [gr.File(label="images", file_count="multiple"), model],
            gr.JSON(label="worklist"),
            api_name="triage",
            api_description=ENDPOINTS["triage"],
        )
        gr.Button().click(
            handlers.api_models,
            None,
            gr.JSON(label="models"),
            api_name="models",
            api_description=ENDPOINTS["models"],
        )
