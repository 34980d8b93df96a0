"""What stands where on the page, and what one tab does to another."""

from collections.abc import Sequence
from typing import Any, cast

import gradio as gr

from retina.inference.audit_log import AuditLog
from retina.web import markup, text
from retina.web.api import Page, add_api
from retina.web.compare_tab import add_compare_tab
from retina.web.desk import Desk, carry_over, drop_if_stale, when_chosen
from retina.web.examples import Example
from retina.web.grade_tab import GradeTab, add_grade_tab
from retina.web.graders import Graders
from retina.web.handlers import MODEL_QUEUE, Handlers
from retina.web.models_tab import add_models_tab
from retina.web.triage_tab import add_triage_tab


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
                grade_tab = add_grade_tab(handlers, graders, examples, own)
            with gr.Tab(text.TAB_COMPARE, id="compare") as tab:
                compare = add_compare_tab(handlers, examples, own)
            _triage_tab(handlers, graders, tabs, grade_tab, compare)
            add_models_tab(graders)
        when_chosen(handlers, examples, grade_tab.desk, compare)
        when_chosen(handlers, examples, compare)
        carry_over(handlers, tab, grade_tab.desk, compare)
    return cast(gr.Blocks, page)


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
    drop_if_stale(
        handlers, running, [grade.upload, grade.answer[0], model], grade.answer, grade.viewer
    )
    grade.running.append(running)
