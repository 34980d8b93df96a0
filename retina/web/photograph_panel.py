"""Where photographs are chosen and shown, and what happens to an answer when they change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from retina.web import text
from retina.web.examples import Example
from retina.web.handlers import Handlers, Update


@dataclass(frozen=True)
class PhotographPanel:
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
        return [value, *handlers.show(images), *emptied(self.answer)]


def add_photographs(tab: str, *, single: bool = False) -> tuple[gr.File, gr.HTML, gr.HTML]:
    """Add where photographs of a tab are chosen, what is said of them, and where they are shown."""
    upload = gr.File(
        label=text.UPLOAD_ONE if single else text.UPLOAD,
        file_count="single" if single else "multiple",
        height=140,
        elem_id=f"{tab}-upload",
    )
    notice = gr.HTML("", visible=False, elem_id=f"{tab}-notice")
    viewer = gr.HTML("", visible=False, elem_id=f"{tab}-photograph")
    return upload, notice, viewer


def add_gallery(tab: str, examples: Sequence[Example], own: bool) -> gr.Gallery:
    """Add a tab's examples, the user's own or drawn ones."""
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


def when_chosen(
    handlers: Handlers,
    examples: Sequence[Example],
    desk: PhotographPanel,
    *followers: PhotographPanel,
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


def drop_if_stale(
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
            return [handlers.show(images)[0], *emptied(answer)]
        return [gr.skip(), *(gr.skip() for _ in answer)]

    running.success(
        drop,
        asked,
        [viewer, *answer],
        show_progress="hidden",
        show_progress_on=asked[0],
        api_visibility="private",
    )


def carry_over(
    handlers: Handlers, tab: gr.Tab, source: PhotographPanel, target: PhotographPanel
) -> None:
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


def emptied(answer: Sequence[Any]) -> list[Update | None]:
    """The updates that take an answer away."""
    return [
        gr.update(value="")
        if isinstance(part, gr.HTML)
        else None
        if isinstance(part, gr.State)
        else gr.update(visible=False)
        for part in answer
    ]


def _listed(chosen: list[str] | str | None) -> list[str] | None:
    return ([chosen] if isinstance(chosen, str) else chosen) or None
