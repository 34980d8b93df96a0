"""The Grade tab: a patient's photographs, the answer to them, and what may be filed of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from retina.explain.methods import GRAD_CAM, METHODS
from retina.web import text
from retina.web.examples import Example
from retina.web.handlers import MODEL_QUEUE, Handlers
from retina.web.model_pool import ModelPool
from retina.web.photograph_panel import (
    PhotographPanel,
    add_gallery,
    add_photographs,
    drop_if_stale,
    emptied,
)
from retina.web.report_panel import add_filing


@dataclass(frozen=True)
class GradeTab:
    """The desk of the Grade tab, and what other tabs need to use it.

    Attributes:
        desk: The desk.
        model: Which model grades.
        chosen: Its name, by which a change is told from a look at the list.
        facts: What it is.
        graded: The handler of ``Grade``; it takes photographs and model.
    """

    desk: PhotographPanel
    model: gr.Dropdown
    chosen: gr.State
    facts: gr.HTML
    graded: Callable[..., list[Any]]


def add_grade_tab(
    handlers: Handlers, graders: ModelPool, examples: Sequence[Example], own: bool
) -> GradeTab:
    """Add its contents to the tab that is being built.

    Args:
        handlers: What answers.
        graders: The models.
        examples: What the gallery shows.
        own: Whether they are the user's own, and not drawn.
    """
    first = graders.names[0] if graders.names else None
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320):
            upload, notice, viewer = add_photographs("grade")
            method = gr.Radio(
                list(METHODS),
                value=GRAD_CAM,
                label=text.METHOD,
                visible=False,
                elem_id="method",
            )
        with gr.Column(scale=6, min_width=320):
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
            filing = add_filing(handlers)
    gallery = add_gallery("grade", examples, own)
    answers = [answer, refused, method, *filing.outputs]

    def filing_too(handler: Callable[..., Any]) -> Callable[..., list[Any]]:
        def graded(images: list[str] | None, name: str, request: gr.Request) -> list[Any]:
            *shown, viewers, cases = handler(images, name, request)
            return [*shown, *filing.updates(cases), viewers]

        return graded

    graded = filing_too(handlers.grade)
    running = [
        clicked.click(
            handler,
            [upload, model],
            [*answers, viewer],
            show_progress_on=viewer,  # Not on the answer, which is to hold nothing else.
            concurrency_id=MODEL_QUEUE,
            api_visibility="private",
        )
        for clicked, handler in (
            (button, graded),
            (anyway, filing_too(handlers.grade_anyway)),
        )
    ]
    for each in running:
        drop_if_stale(handlers, each, [upload, answer, model], answers, viewer)
    explaining = method.input(
        handlers.explain,
        [filing.cases, method],
        viewer,
        trigger_mode="always_last",
        show_progress_on=viewer,
        concurrency_id=MODEL_QUEUE,
        api_visibility="private",
    )
    drop_if_stale(handlers, explaining, [upload, answer, model], answers, viewer)
    running.append(explaining)
    chosen, changes = gr.State(first), gr.State(0)
    model.input(  # Which comes whenever the list is left, also with the same model as before.
        lambda name, last, count: [name, count + (name != last)],
        [model, chosen, changes],
        [chosen, changes],
        show_progress="hidden",
        show_progress_on=facts,
        api_visibility="private",
    )
    changes.change(
        lambda name, images: [
            handlers.model_facts(name),
            handlers.show(images)[0],
            *emptied(answers),
        ],
        [model, upload],
        [facts, viewer, *answers],
        show_progress="hidden",
        show_progress_on=facts,
        cancels=cast(Any, running),
        api_visibility="private",
    )
    desk = PhotographPanel(upload, gallery, viewer, notice, button, answers, running)
    return GradeTab(desk, model, chosen, facts, graded)
