"""The Models tab: every checkpoint's figures side by side, then one of them closely."""

import gradio as gr

from retina.web import text
from retina.web.graders import Graders


def add_models_tab(graders: Graders) -> None:
    """Add the tab to the tabs that are being built.

    Args:
        graders: The models; none of their networks is loaded here.
    """
    with gr.Tab(text.TAB_MODELS, id="models"):
        gr.HTML("")
