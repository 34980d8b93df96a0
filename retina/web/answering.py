"""How a handler answers: with updates of the page, or in one sentence why it cannot."""

import html
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from retina.errors import InputError
from retina.web import text

P = ParamSpec("P")
R = TypeVar("R")
Update = dict[str, Any]


def in_one_sentence(handler: Callable[P, R]) -> Callable[P, R]:
    """Let an ``InputError`` reach page and client as its sentence, without a traceback."""

    @wraps(handler)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except InputError as error:
            # Gradio renders messages as HTML.
            sentence = html.escape(str(error), quote=False)
            raise gr.Error(sentence, title=text.ERROR_TITLE, print_exception=False) from None

    return guarded


def in_one_sentence_each(handler: Callable[P, Iterator[R]]) -> Callable[P, Iterator[R]]:
    """As ``in_one_sentence``, for a handler that answers bit by bit."""

    @wraps(handler)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        answers = handler(*args, **kwargs)
        following = in_one_sentence(lambda: next(answers, None))
        while (answer := following()) is not None:
            yield answer

    return guarded


def shown_html(html: str) -> Update:
    """Show markup, or hide what shows none."""
    update: Update = gr.update(value=html, visible=bool(html))
    return update
