"""A model card as HTML that can do nothing: no script, no picture, nothing fetched."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from retina.reporting.model_card import CARD_FILE
from retina.web import models_text as text

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
        return f"<p>{escape(text.NO_CARD)}</p>"
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
            label = escape(text.CARD_TABLE)
            box = f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">'
            yield Token("html_block", "", 0, content=box)
        yield token
        if token.type == "table_close":
            yield Token("html_block", "", 0, content="</div>")
