"""What stands where on the page, and which handler each event calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from retina.web import markup, text
from retina.web.api import add_api
from retina.web.examples import Example
from retina.web.graders import Graders
from retina.web.handlers import MODEL_QUEUE, Handlers, Update
from retina.web.models_tab import add_models_tab

CACHE_SECONDS = (600, 3600)
"""How often Gradio's cache is emptied, and of files of what age."""


@dataclass(frozen=True)
class Desk:
    """One tab: where a photograph is chosen and shown, and all that the answer fills."""

    upload: gr.File
    gallery: gr.Gallery
    photograph: gr.Image
    notice: gr.HTML
    button: gr.Button
    answer: Sequence[Any]
    running: Sequence[Any]

    @property
    def outputs(self) -> list[Any]:
        """What a new photograph changes."""
        return [self.upload, self.photograph, self.notice, self.button, *self.answer]

    def updates(self, handlers: Handlers, image: str | None) -> list[Any]:
        """Show a photograph, or none, and take the answer to the last one away."""
        return [image, *handlers.show(image), *_emptied(self.answer)]


def build_page(graders: Graders, examples: Sequence[Example], *, own: bool) -> gr.Blocks:
    """The page and its API.

    Args:
        graders: The models.
        examples: What the galleries show.
        own: Whether they are the user's own, and not drawn.
    """
    handlers = Handlers(graders)
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS) as page:
        add_api(handlers, graders.names)  # First, so that it has first claim to its names.
        gr.HTML(markup.header())
        if not graders.names:
            gr.HTML(markup.no_model())
        with gr.Tabs():
            with gr.Tab(text.TAB_GRADE, id="grade"):
                grade = _grade_tab(handlers, graders, examples, own)
            with gr.Tab(text.TAB_COMPARE, id="compare") as tab:
                compare = _compare_tab(handlers, graders, examples, own)
            add_models_tab(graders)
        _when_chosen(handlers, examples, grade, compare)
        _when_chosen(handlers, examples, compare)
        _carry_over(handlers, tab, grade, compare)
    return cast(gr.Blocks, page)


def _grade_tab(
    handlers: Handlers, graders: Graders, examples: Sequence[Example], own: bool
) -> Desk:
    first = graders.names[0] if graders.names else None
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            upload, notice, photograph = _photograph("grade")
            gallery = _gallery("grade", examples, own)
        with gr.Column(scale=7, min_width=320):
            model = gr.Dropdown(
                list(graders.names),
                value=first,
                label=text.MODEL,
                filterable=False,
                elem_id="model",
            )
            facts = gr.HTML(handlers.model_facts(first) if first else "")
            button = gr.Button(text.BUTTON_GRADE, variant="primary", interactive=False)
            answer = gr.HTML("", elem_id="assessment")
            with gr.Row(visible=False) as refused:
                anyway = gr.Button(text.BUTTON_ANYWAY, elem_id="grade-anyway")
            with gr.Row(visible=False) as evidence:
                with gr.Column(min_width=280):
                    heatmap = _picture(text.HEATMAP, text.HEATMAP_ALT, "heatmap")
                    gr.HTML(markup.caption(text.HEATMAP_CAPTION))
                with gr.Column(min_width=280):
                    matrix = _picture(text.MATRIX, text.MATRIX_ALT, "matrix")
    answers = [answer, refused, evidence, heatmap, matrix]
    running = [
        clicked.click(
            handler,
            [upload, model],
            answers,
            show_progress_on=photograph,
            concurrency_id=MODEL_QUEUE,
            api_visibility="private",
        )
        for clicked, handler in ((button, handlers.grade), (anyway, handlers.grade_anyway))
    ]
    for each in running:
        _drop_if_stale(handlers, each, [upload, answer, model], answers)
    model.change(
        lambda name: [handlers.model_facts(name), *_emptied(answers)],
        model,
        [facts, *answers],
        show_progress="hidden",
        show_progress_on=facts,
        cancels=cast(Any, running),
        api_visibility="private",
    )
    return Desk(upload, gallery, photograph, notice, button, answers, running)


def _compare_tab(
    handlers: Handlers, graders: Graders, examples: Sequence[Example], own: bool
) -> Desk:
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            upload, notice, photograph = _photograph("compare")
        with gr.Column(scale=7, min_width=320):
            gallery = _gallery("compare", examples, own)
            button = gr.Button(text.BUTTON_COMPARE, variant="primary", interactive=False)
            sentence = gr.HTML("", elem_id="agreement")
    answers: list[Any] = [sentence]
    with gr.Row(visible=False, equal_height=False, elem_id="compared") as row:
        answers.append(row)
        for name in graders.names:
            with gr.Column(min_width=280, elem_classes="compared"):
                gr.HTML(markup.model_heading(graders.config(name), name))
                answers += [
                    gr.HTML(""),
                    _picture(text.HEATMAP, text.HEATMAP_ALT, f"heatmap-{name}"),
                    _picture(text.MATRIX, text.MATRIX_ALT, f"matrix-{name}"),
                ]
    running = button.click(
        handlers.compare,
        upload,
        answers,
        show_progress_on=photograph,
        concurrency_id=MODEL_QUEUE,
        api_visibility="private",
    )
    _drop_if_stale(handlers, running, [upload, sentence], answers)
    return Desk(upload, gallery, photograph, notice, button, answers, [running])


def _when_chosen(
    handlers: Handlers, examples: Sequence[Example], desk: Desk, *followers: Desk
) -> None:
    """Show a photograph as soon as it is chosen, and let the followers forget theirs.

    Answers that are still on their way are not waited for: they would stand beside the wrong eye.
    """

    def picked(event: gr.SelectData) -> list[Any]:
        return uploaded(str(examples[event.index].path))

    def uploaded(image: str | None) -> list[Any]:
        cleared = [each for other in followers for each in other.updates(handlers, None)]
        return [*desk.updates(handlers, image), *cleared]

    desks = (desk, *followers)
    for event, handler, inputs in (
        (desk.upload.upload, uploaded, desk.upload),
        (desk.upload.clear, uploaded, desk.upload),
        (desk.gallery.select, picked, None),
    ):
        event(
            handler,
            inputs,
            [output for each in desks for output in each.outputs],
            show_progress="hidden",
            show_progress_on=desk.upload,  # Even when hidden, its words stand in the page.
            cancels=[running for each in desks for running in each.running],
            api_visibility="private",
        )


def _drop_if_stale(
    handlers: Handlers, running: Any, asked: Sequence[Any], answer: Sequence[Any]
) -> None:
    """Take an answer away that came too late, past the cancelling of its event."""

    def drop(*values: str | None) -> list[Any]:
        stale = handlers.is_stale(*values)
        return _emptied(answer) if stale else [gr.skip() for _ in answer]

    running.success(
        drop,
        asked,
        answer,
        show_progress="hidden",
        show_progress_on=asked[0],
        api_visibility="private",
    )


def _carry_over(handlers: Handlers, tab: gr.Tab, source: Desk, target: Desk) -> None:
    """When its tab is opened, let a desk without a photograph take another desk's."""

    def carried(image: str | None, own: str | None) -> list[Any]:
        if image is None or own is not None:
            return [gr.skip() for _ in target.outputs]
        return target.updates(handlers, image)

    tab.select(
        carried,
        [source.upload, target.upload],
        target.outputs,
        show_progress="hidden",
        show_progress_on=target.upload,
        api_visibility="private",
    )


def _emptied(answer: Sequence[Any]) -> list[Update]:
    return [
        gr.update(visible=False) if isinstance(part, gr.Row) else gr.update(value=None)
        for part in answer
    ]


def _photograph(tab: str) -> tuple[gr.File, gr.HTML, gr.Image]:
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
    return upload, notice, photograph


def _gallery(tab: str, examples: Sequence[Example], own: bool) -> gr.Gallery:
    return gr.Gallery(
        [(example.thumbnail, example.caption) for example in examples],
        label=text.OWN_EXAMPLES if own else text.DRAWN_EXAMPLES,
        height="auto",
        allow_preview=False,
        object_fit="cover",
        buttons=[],
        interactive=False,
        elem_id=f"{tab}-examples",
        elem_classes="examples",
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
