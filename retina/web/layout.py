"""What stands where on the page, and which handler each event calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from retina.explain.methods import GRAD_CAM, METHODS
from retina.inference.audit import AuditLog
from retina.web import markup, text
from retina.web.answering import Update
from retina.web.api import Page, add_api
from retina.web.examples import Example
from retina.web.filing import add_filing
from retina.web.graders import Graders
from retina.web.handlers import MODEL_QUEUE, Handlers
from retina.web.models_tab import add_models_tab
from retina.web.triage_tab import add_triage_tab


@dataclass(frozen=True)
class Desk:
    """One tab: where photographs are chosen and shown, and all that the answer fills.

    Attributes:
        single: Whether one photograph is chosen at a time, and not a list of them.
    """

    upload: gr.File
    gallery: gr.Gallery
    viewer: gr.HTML
    notice: gr.HTML
    button: gr.Button
    answer: Sequence[Any]
    running: list[Any]
    single: bool = False

    @property
    def outputs(self) -> list[Any]:
        """What new photographs change."""
        return [self.upload, self.viewer, self.notice, self.button, *self.answer]

    def updates(self, handlers: Handlers, images: list[str] | None) -> list[Any]:
        """Show photographs, or none, and take the answer to the last ones away."""
        value = images[0] if images and self.single else images
        return [value, *handlers.show(images), *_emptied(self.answer)]


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

    desk: Desk
    model: gr.Dropdown
    chosen: gr.State
    facts: gr.HTML
    graded: Callable[..., list[Any]]


def build_page(
    graders: Graders, examples: Sequence[Example], audit: AuditLog | None = None, *, own: bool
) -> gr.Blocks:
    """The page and its API.

    Args:
        graders: The models.
        examples: What the galleries show.
        audit: Where assessments and verdicts are kept; None: nowhere.
        own: Whether they are the user's own, and not drawn.
    """
    handlers = Handlers(graders, audit)
    with Page(title=text.TITLE, analytics_enabled=False) as page:
        add_api(handlers, graders.names)  # First, so that it has first claim to its names.
        gr.HTML(markup.header())
        if not graders.names:
            gr.HTML(markup.no_model())
        with gr.Tabs() as tabs:
            with gr.Tab(text.TAB_GRADE, id="grade"):
                grade_tab = _grade_tab(handlers, graders, examples, own)
            with gr.Tab(text.TAB_COMPARE, id="compare") as tab:
                compare = _compare_tab(handlers, examples, own)
            _triage_tab(handlers, graders, tabs, grade_tab, compare)
            add_models_tab(graders)
        _when_chosen(handlers, examples, grade_tab.desk, compare)
        _when_chosen(handlers, examples, compare)
        _carry_over(handlers, tab, grade_tab.desk, compare)
    return cast(gr.Blocks, page)


def _grade_tab(
    handlers: Handlers, graders: Graders, examples: Sequence[Example], own: bool
) -> GradeTab:
    first = graders.names[0] if graders.names else None
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320):
            upload, notice, viewer = _photographs("grade")
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
    gallery = _gallery("grade", examples, own)
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
        _drop_if_stale(handlers, each, [upload, answer, model], answers, viewer)
    explaining = method.input(
        handlers.explain,
        [upload, answer, model, method],
        viewer,
        trigger_mode="always_last",
        show_progress_on=viewer,
        concurrency_id=MODEL_QUEUE,
        api_visibility="private",
    )
    _drop_if_stale(handlers, explaining, [upload, answer, model], answers, viewer)
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
            *_emptied(answers),
        ],
        [model, upload],
        [facts, viewer, *answers],
        show_progress="hidden",
        show_progress_on=facts,
        cancels=cast(Any, running),
        api_visibility="private",
    )
    desk = Desk(upload, gallery, viewer, notice, button, answers, running)
    return GradeTab(desk, model, chosen, facts, graded)


def _compare_tab(handlers: Handlers, examples: Sequence[Example], own: bool) -> Desk:
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320):
            upload, notice, viewer = _photographs("compare", single=True)
        with gr.Column(scale=6, min_width=320):
            with gr.Row():
                button = gr.Button(text.BUTTON_COMPARE, variant="primary", interactive=False)
                cancel = gr.Button(text.BUTTON_CANCEL, visible=False, elem_id="cancel")
            sentence = gr.HTML("", elem_id="agreement")
    compared = gr.HTML("", elem_id="compared")
    gallery = _gallery("compare", examples, own)
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
    _drop_if_stale(handlers, running, [upload, sentence], answers, viewer)
    cancel.click(
        lambda: _emptied(answers),
        None,
        answers,
        cancels=[running],
        queue=False,
        show_progress="hidden",
        show_progress_on=viewer,
        api_visibility="private",
    )
    return Desk(upload, gallery, viewer, notice, button, answers, [running], single=True)


def _triage_tab(
    handlers: Handlers,
    graders: Graders,
    tabs: gr.Tabs,
    grade_tab: GradeTab,
    *followers: Desk,
) -> None:
    """The tab, whose photographs are opened and graded on the desk of the Grade tab."""
    grade, model = grade_tab.desk, grade_tab.model
    desks = (grade, *followers)

    def open_photograph(path: str, name: str) -> list[Any]:
        return [
            gr.update(selected="grade"),
            name,
            name,
            handlers.model_facts(name),
            *grade.updates(handlers, [path]),
            *(each for other in followers for each in other.updates(handlers, None)),
        ]

    opened = [
        tabs,
        model,
        grade_tab.chosen,
        grade_tab.facts,
        *(output for each in desks for output in each.outputs),
    ]
    opening = add_triage_tab(handlers, graders, opened, open_photograph)
    running = opening.success(
        grade_tab.graded,
        [grade.upload, model],
        [*grade.answer, grade.viewer],
        show_progress_on=grade.viewer,
        concurrency_id=MODEL_QUEUE,
        api_visibility="private",
    )
    _drop_if_stale(
        handlers, running, [grade.upload, grade.answer[0], model], grade.answer, grade.viewer
    )
    grade.running.append(running)


def _when_chosen(
    handlers: Handlers, examples: Sequence[Example], desk: Desk, *followers: Desk
) -> None:
    """Show photographs as soon as they are chosen, and let the followers forget theirs.

    Answers that are still on their way are not waited for: they would stand beside the wrong eye.
    """

    def picked(event: gr.SelectData) -> list[Any]:
        return uploaded([str(examples[event.index].path)])

    def uploaded(chosen: list[str] | str | None) -> list[Any]:
        cleared = [each for other in followers for each in other.updates(handlers, None)]
        return [*desk.updates(handlers, _listed(chosen)), *cleared]

    desks = (desk, *followers)
    for event, handler, inputs in (
        (desk.upload.upload, uploaded, desk.upload),
        (desk.upload.delete, uploaded, desk.upload),
        (desk.upload.clear, uploaded, desk.upload),
        (desk.gallery.select, picked, None),
    ):
        event(
            handler,
            inputs,
            [output for each in desks for output in each.outputs],
            show_progress_on=desk.upload,
            cancels=[running for each in desks for running in each.running],
            api_visibility="private",
        )


def _drop_if_stale(
    handlers: Handlers,
    running: Any,
    asked: Sequence[Any],
    answer: Sequence[Any],
    viewer: gr.HTML,
) -> None:
    """Take an answer away that came too late, past the cancelling of its event."""

    def drop(chosen: list[str] | str | None, *values: str | None) -> list[Any]:
        images = _listed(chosen)
        if handlers.is_stale(images, *values):
            return [handlers.show(images)[0], *_emptied(answer)]
        return [gr.skip(), *(gr.skip() for _ in answer)]

    running.success(
        drop,
        asked,
        [viewer, *answer],
        show_progress="hidden",
        show_progress_on=asked[0],
        api_visibility="private",
    )


def _carry_over(handlers: Handlers, tab: gr.Tab, source: Desk, target: Desk) -> None:
    """When its tab is opened, let a desk without a photograph take another desk's first one."""

    def carried(images: list[str] | None, own: str | None) -> list[Any]:
        if not images or own:
            return [gr.skip() for _ in target.outputs]
        return target.updates(handlers, images[:1])

    tab.select(
        carried,
        [source.upload, target.upload],
        target.outputs,
        show_progress="hidden",
        show_progress_on=target.upload,
        api_visibility="private",
    )


def _listed(chosen: list[str] | str | None) -> list[str] | None:
    return ([chosen] if isinstance(chosen, str) else chosen) or None


def _emptied(answer: Sequence[Any]) -> list[Update | None]:
    return [
        gr.update(value="")
        if isinstance(part, gr.HTML)
        else None
        if isinstance(part, gr.State)
        else gr.update(visible=False)
        for part in answer
    ]


def _photographs(tab: str, *, single: bool = False) -> tuple[gr.File, gr.HTML, gr.HTML]:
    upload = gr.File(
        label=text.UPLOAD_ONE if single else text.UPLOAD,
        file_count="single" if single else "multiple",
        height=140,
        elem_id=f"{tab}-upload",
    )
    notice = gr.HTML("", visible=False, elem_id=f"{tab}-notice")
    viewer = gr.HTML("", visible=False, elem_id=f"{tab}-photograph")
    return upload, notice, viewer


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
