"""The page: its look, its tabs, what one tab does to another, and its API."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import gradio as gr
from gradio.themes import Base, colors, sizes

from retina.inference.audit_log import AuditLog
from retina.web import html as markup
from retina.web import text
from retina.web.compare_tab import add_compare_tab
from retina.web.examples import Example
from retina.web.grade_tab import GradeTab, add_grade_tab
from retina.web.handlers import MODEL_QUEUE, Handlers
from retina.web.model_pool import ModelPool
from retina.web.models_tab import add_models_tab
from retina.web.photograph_panel import PhotographPanel, carry_over, drop_if_stale, when_chosen
from retina.web.text import ENDPOINTS, EXAMPLE_FILE, GIVES, TAKES
from retina.web.triage_tab import add_triage_tab

_ASSETS = Path(__file__).parent / "assets"
STYLESHEETS = tuple(_ASSETS / name for name in ("page.css", "models.css", "triage.css"))

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "Consolas", "monospace")


def page_theme() -> Base:
    """The theme: system fonts only, so that no font is ever fetched from elsewhere."""
    theme = Base(
        primary_hue=colors.cyan,
        secondary_hue=colors.cyan,
        neutral_hue=colors.slate,
        text_size=sizes.text_md,
        spacing_size=sizes.spacing_md,
        radius_size=sizes.radius_md,
        font=_SANS,
        font_mono=_MONO,
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="#0d1420",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="white",
        block_background_fill_dark="#152033",
        block_border_color="*neutral_200",
        block_border_color_dark="#26344d",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_800",
        button_primary_background_fill_hover="*primary_900",
        button_primary_background_fill_dark="#5fb3c9",
        button_primary_background_fill_hover_dark="#8fcbdb",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        color_accent="*primary_700",
        border_color_accent_dark="*primary_400",
        link_text_color="*primary_800",
        link_text_color_dark="*primary_300",
    )


def page_script() -> str:
    """What moves on the page, for its head."""
    scripts = (_ASSETS / name for name in ("page.js", "triage.js"))
    return "".join(f"<script>{each.read_text(encoding='utf-8')}</script>" for each in scripts)


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


def build_page(
    graders: ModelPool, examples: Sequence[Example], audit: AuditLog | None = None, *, own: bool
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
    graders: ModelPool,
    tabs: gr.Tabs,
    grade_tab: GradeTab,
    *followers: PhotographPanel,
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
