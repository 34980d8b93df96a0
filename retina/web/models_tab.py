"""The Models tab: every checkpoint's figures side by side, then one of them closely."""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import gradio as gr
from markdown_it import MarkdownIt
from markdown_it.token import Token

from retina.models.checkpoint_folder import unusable_checkpoints
from retina.reporting.formatting import percent, template
from retina.reporting.model_card import CARD_FILE
from retina.reporting.model_figures import model_figures
from retina.reporting.model_table import (
    Column,
    ShownModel,
    model_table,
    origin_of,
    read_shown_model,
    shown_models,
    why_the_lab_differs,
)
from retina.reporting.runs import LAB_ACCURACY
from retina.web import text
from retina.web.handlers import each_as_gradio_error
from retina.web.model_pool import ModelPool
from retina.web.text import models as models_text

_TEMPLATE: Any = template(
    "retina.web", "models.html", text=models_text, no_model=text.NO_MODEL
).module


def add_models_tab(graders: ModelPool) -> None:
    """Add the tab to the tabs that are being built.

    The table is read now; a model's figures are drawn when it is first looked at, after its words
    are shown, then kept.

    Args:
        graders: The models; none of their networks is loaded here.
    """
    folders = [graders.folder / name for name in graders.names]
    models = shown_models(folders)
    left_out = list(unusable_checkpoints(graders.folder).values())
    with gr.Tab(text.TAB_MODELS, id="models") as tab:
        if not models:
            gr.HTML(nothing(left_out))
            return
        gr.HTML(overview(models, left_out), elem_id="models-table")
        names = [model.name for model in models]
        choice = gr.Radio(names, value=names[0], label=models_text.DETAILS, elem_id="models-choice")
        shown = gr.Textbox("", visible=False)
        panel = gr.HTML("", elem_id="model-closely")
    drawn: dict[str, str] = {}

    @each_as_gradio_error
    def show(name: str, last: str) -> Iterator[tuple[Any, Any]]:
        if name == last:
            yield gr.skip(), gr.skip()
            return
        if name not in drawn:
            yield closely(graders.folder / name, figures=False), gr.skip()
            drawn[name] = closely(graders.folder / name)
        yield drawn[name], name

    for event in (tab.select, choice.change):
        event(
            show,
            [choice, shown],
            [panel, shown],
            show_progress="hidden",
            show_progress_on=panel,
            concurrency_id="figures",
            api_visibility="private",
        )


def overview(models: Sequence[ShownModel], left_out: Sequence[str]) -> str:
    """The wide table, and the lab's figures with why they differ.

    Args:
        models: At least one.
        left_out: Why other checkpoints cannot be used.
    """
    columns = model_table(models)
    depths = list(dict.fromkeys(depth for depth, _ in LAB_ACCURACY))
    lab = {
        "depths": depths,
        "rows": [
            (words, [percent(LAB_ACCURACY[depth, start], 2) for depth in depths])
            for start, words in models_text.LAB_STARTS.items()
        ],
    }
    why = why_the_lab_differs([model.run for model in models])
    names = [model.name for model in models]
    return str(_TEMPLATE.overview(names, _heads(columns), columns, lab, why, left_out))


def nothing(left_out: Sequence[str]) -> str:
    """What the tab says where there is no model."""
    return str(_TEMPLATE.nothing(left_out))


def closely(folder: Path, *, figures: bool = True) -> str:
    """One model: where it comes from, its figures, its card.

    Args:
        folder: Its checkpoint.
        figures: False for the words alone, which are there at once: drawing takes a second.

    Raises:
        CheckpointError: it cannot be used any more.
    """
    model = read_shown_model(folder)
    drawn = figures and [
        (figure, base64.b64encode(figure.light).decode(), base64.b64encode(figure.dark).decode())
        for figure in model_figures(model)
    ]
    facts = models_text.origin(model.run.config, origin_of(model.run))
    card = model_card_html(folder)
    return str(_TEMPLATE.model_details(model.name, facts, model.gaps, drawn, card))


def _heads(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    """Neighbours with a common head together, every other column alone."""
    heads: list[tuple[str, list[Column]]] = []
    for group, members in groupby(columns, lambda column: column.group):
        if group:
            heads.append((group, list(members)))
        else:
            heads += [("", [column]) for column in members]
    return heads


_FRONT_MATTER = re.compile(r"\A---\n.*?^---$", re.DOTALL | re.MULTILINE)
_LOWERED_BY = 3
"""Levels that headings move down: the page has those above."""


def model_card_html(folder: Path) -> str:
    """The card of a checkpoint without its metadata, or a sentence where it has none.

    HTML in the card is shown as it is written, and pictures are left out: a card that came with a
    checkpoint from elsewhere can neither act nor call anybody.
    """
    try:
        card = (folder / CARD_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"<p>{escape(models_text.NO_CARD)}</p>"
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = list(_for_the_page(markdown.parse(_FRONT_MATTER.sub("", card, count=1))))
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _for_the_page(tokens: Iterable[Token]) -> Iterator[Token]:
    """Lower the headings, and let each table scroll in a box of its own."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _LOWERED_BY, 6)}"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        if token.type == "table_open":
            label = escape(models_text.CARD_TABLE)
            box = f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">'
            yield Token("html_block", "", 0, content=box)
        yield token
        if token.type == "table_close":
            yield Token("html_block", "", 0, content="</div>")
