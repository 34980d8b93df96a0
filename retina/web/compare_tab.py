"""The Compare tab: one photograph, and every model's answer to it side by side."""

from collections.abc import Sequence

import gradio as gr

from retina.web import text
from retina.web.examples import Example
from retina.web.handlers import MODEL_QUEUE, Handlers
from retina.web.photograph_panel import (
    PhotographPanel,
    add_gallery,
    add_photographs,
    drop_if_stale,
    emptied,
)


def add_compare_tab(handlers: Handlers, examples: Sequence[Example], own: bool) -> PhotographPanel:
    """Add its contents to the tab that is being built; arguments as of ``add_grade_tab``."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320):
            upload, notice, viewer = add_photographs("compare", single=True)
        with gr.Column(scale=6, min_width=320):
            with gr.Row():
                button = gr.Button(text.BUTTON_COMPARE, variant="primary", interactive=False)
                cancel = gr.Button(text.BUTTON_CANCEL, visible=False, elem_id="cancel")
            sentence = gr.HTML("", elem_id="agreement")
    compared = gr.HTML("", elem_id="compared")
    gallery = add_gallery("compare", examples, own)
    answers = [sentence, compared, cancel]
    running = button.click(
        handlers.compare,
        upload,
        answers,
        show_progress="hidden",
        show_progress_on=viewer,
        concurrency_id=MODEL_QUEUE,
        api_visibility="private",
    )
    drop_if_stale(handlers, running, [upload, sentence], answers, viewer)
    cancel.click(
        lambda: emptied(answers),
        None,
        answers,
        cancels=[running],
        queue=False,
        show_progress="hidden",
        show_progress_on=viewer,
        api_visibility="private",
    )
    return PhotographPanel(upload, gallery, viewer, notice, button, answers, [running], single=True)
