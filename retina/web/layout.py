"""What stands where on the page, and which handler each event calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from retina.web import markup, text
from retina.web.examples import Example
from retina.web.graders import Graders
from retina.web.handlers import Handlers

MODEL_QUEUE = "model"
"""All events that run a model share it, so that one runs at a time."""

CACHE_SECONDS = (600, 3600)
"""How often Gradio's cache is emptied, and of files of what age."""


@dataclass(frozen=True)
class Picker:
    """Where a photograph is chosen, and shown."""

    upload: gr.File
    notice: gr.HTML
    photograph: gr.Image


def build_page(graders: Graders, examples: Sequence[Example], *, own: bool) -> gr.Blocks:
    """The page and its API.

    Args:
        graders: The models.
        examples: What the galleries show.
        own: Whether they are the user's own, and not drawn.
    """
    handlers = Handlers(graders)
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS) as page:
        gr.HTML(markup.header())
        if not graders.names:
            gr.HTML(markup.no_model())
        with gr.Tabs():
            with gr.Tab(text.TAB_GRADE, id="grade"):
                grade = _grade_tab(handlers, graders.names, examples, own)
            with gr.Tab(text.TAB_COMPARE, id="compare"):
                compare = _compare_tab(handlers, graders, examples, own)
        grade.upload.change(
            lambda path: path,
            grade.upload,
            compare.upload,
            show_progress="hidden",
            api_visibility="private",
        )
        _api(handlers, graders.names)
    return cast(gr.Blocks, page)


def _grade_tab(
    handlers: Handlers, names: Sequence[str], examples: Sequence[Example], own: bool
) -> Picker:
    first = names[0] if names else None
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            picker = _picker("grade")
            _gallery("grade", picker.upload, examples, own)
        with gr.Column(scale=7, min_width=320):
            model = gr.Dropdown(
                list(names), value=first, label=text.MODEL, filterable=False, elem_id="model"
            )
            facts = gr.HTML(handlers.model_facts(first) if first else "")
            button = gr.Button(text.BUTTON_GRADE, variant="primary", interactive=False)
            answer = gr.HTML("", elem_id="assessment")
            with gr.Row(visible=False) as evidence:
                with gr.Column(min_width=280):
                    heatmap = _picture(text.HEATMAP, text.HEATMAP_ALT, "heatmap")
                    gr.HTML(markup.caption(text.HEATMAP_CAPTION))
                with gr.Column(min_width=280):
                    matrix = _picture(text.MATRIX, text.MATRIX_ALT, "matrix")
    answers = [answer, evidence, heatmap, matrix]
    running = button.click(
        handlers.grade,
        [picker.upload, model],
        answers,
        show_progress_on=picker.photograph,
        concurrency_id=MODEL_QUEUE,
        api_visibility="private",
    )
    _forget_when(picker.upload.change, answers, running)
    _forget_when(model.change, answers, running)
    _show_when_chosen(handlers, picker, button)
    model.change(
        handlers.model_facts, model, facts, show_progress="hidden", api_visibility="private"
    )
    return picker


def _compare_tab(
    handlers: Handlers, graders: Graders, examples: Sequence[Example], own: bool
) -> Picker:
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            picker = _picker("compare")
        with gr.Column(scale=7, min_width=320):
            _gallery("compare", picker.upload, examples, own)
            button = gr.Button(text.BUTTON_COMPARE, variant="primary", interactive=False)
            sentence = gr.HTML("", elem_id="agreement")
    answers: list[Any] = [sentence]
    with gr.Row(visible=False, equal_height=False, elem_id="compared") as row:
        answers.append(row)
        for name in graders.names:
            with gr.Column(min_width=300, elem_classes="compared"):
                gr.HTML(markup.model_heading(graders.config(name), name))
                answers += [
                    gr.HTML(""),
                    _picture(text.HEATMAP, text.HEATMAP_ALT, f"heatmap-{name}"),
                    _picture(text.MATRIX, text.MATRIX_ALT, f"matrix-{name}"),
                ]
    running = button.click(
        handlers.compare,
        picker.upload,
        answers,
        show_progress_on=picker.photograph,
        concurrency_id=MODEL_QUEUE,
        api_visibility="private",
    )
    _forget_when(picker.upload.change, answers, running)
    _show_when_chosen(handlers, picker, button)
    return picker


def _picker(tab: str) -> Picker:
    upload = gr.File(label=text.UPLOAD, height=140, elem_id=f"{tab}-upload")
    notice = gr.HTML("", visible=False, elem_id=f"{tab}-notice")
    photograph = gr.Image(
        label=text.PHOTOGRAPH,
        alt_text=text.PHOTOGRAPH_ALT,
        format="jpeg",
        visible=False,
        interactive=False,
        buttons=["fullscreen"],
        elem_id=f"{tab}-photograph",
        elem_classes="picture",
    )
    return Picker(upload, notice, photograph)


def _gallery(tab: str, upload: gr.File, examples: Sequence[Example], own: bool) -> None:
    gallery = gr.Gallery(
        [(example.thumbnail, example.caption) for example in examples],
        label=text.OWN_EXAMPLES if own else text.DRAWN_EXAMPLES,
        columns=5,
        height="auto",
        allow_preview=False,
        object_fit="cover",
        buttons=[],
        interactive=False,
        elem_id=f"{tab}-examples",
        elem_classes="examples",
    )

    def pick(event: gr.SelectData) -> str:
        return str(examples[event.index].path)

    gallery.select(pick, None, upload, show_progress="hidden", api_visibility="private")


def _show_when_chosen(handlers: Handlers, picker: Picker, button: gr.Button) -> None:
    picker.upload.change(
        handlers.show,
        picker.upload,
        [picker.photograph, picker.notice, button],
        show_progress="hidden",
        api_visibility="private",
    )


def _forget_when(event: Callable[..., Any], answers: Sequence[Any], running: Any) -> None:
    """Drop the answer, and one still on its way, as soon as it is no longer what was asked."""
    empty = [
        gr.update(visible=False) if isinstance(answer, gr.Row) else gr.update(value=None)
        for answer in answers
    ]
    event(
        lambda: empty,
        None,
        list(answers),
        show_progress="hidden",
        cancels=running,
        api_visibility="private",
    )


def _picture(label: str, alt: str, elem_id: str) -> gr.Image:
    return gr.Image(
        label=label,
        alt_text=alt,
        format="png",
        interactive=False,
        buttons=["fullscreen", "download"],
        elem_id=elem_id,
        elem_classes="picture",
    )


def _api(handlers: Handlers, names: Sequence[str]) -> None:
    """What gradio_client calls: components that are never drawn, apart from those of the page."""
    with gr.Row(visible=False):
        image = gr.File(label="image")
        model = gr.Textbox(names[0] if names else "", label="model")
        assessment, assessments = gr.JSON(label="assessment"), gr.JSON(label="assessments")
        pictures = [
            gr.Image(label=label, format="png", interactive=False)
            for label in ("heatmap", "confusion matrix")
        ]
        gr.Button().click(
            handlers.api_grade,
            [image, model],
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
