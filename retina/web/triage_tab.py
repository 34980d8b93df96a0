"""The Triage tab: many photographs become a worklist, each a click away from the Grade tab."""

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import gradio as gr
from PIL import Image

from retina.atomic import replacing
from retina.errors import InputError
from retina.images.decode import ImageError
from retina.inference.grader import Grader
from retina.inference.sight import Sight
from retina.inference.triage import SUFFIXES, Source, read_source, triage, uploaded
from retina.inference.worklist import URGENCIES, Row, in_order, to_csv
from retina.reporting.html_template import html_template
from retina.reporting.palette import text_on
from retina.scale import GRADES, RESEARCH_ONLY
from retina.web import text, triage_text
from retina.web.graders import Graders
from retina.web.handlers import (
    TRIAGE_QUEUE,
    Handlers,
    Update,
    in_one_sentence,
    in_one_sentence_each,
    shown_html,
)
from retina.web.viewer import picture_address

KEPT_SECONDS = 3600
"""How long a visitor's worklist is remembered."""

_THUMBNAIL_SIDE = 128
_NAME_LENGTH = 60  # characters, so that no file system refuses the name
_EVERY_SECONDS = 0.4  # between two looks at the progress

_TEMPLATE: Any = html_template(
    "retina.web",
    "triage.html",
    text=triage_text,
    share=text.share,
    grades=GRADES,
    urgencies=URGENCIES,
    research_only=RESEARCH_ONLY,
    ink=text_on,
).module


@dataclass
class Day:
    """What one visitor has in triage.

    Attributes:
        grader: The model.
        sources: The photographs.
        rows: Of those that are graded, in the order of ``sources``.
        thumbnails: ``data:`` addresses, of those that could be read.
        stopped: Whether no more are to be graded.
    """

    grader: Grader
    sources: Sequence[Source]
    rows: list[Row] = field(default_factory=list)
    thumbnails: dict[Source, str] = field(default_factory=dict)
    stopped: bool = False

    def see(self, source: Source, sight: Sight) -> None:
        """Keep a small picture of the retina."""
        small = sight.photograph.image.crop(sight.retina.box)
        small.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
        self.thumbnails[source] = picture_address(small, "jpeg", quality=75)


@dataclass(frozen=True)
class Entry:
    """A line of the worklist: its row, its place in the day, its picture, whose eye."""

    row: Row
    number: int
    thumbnail: str | None
    same_patient: bool


def worklist(day: Day) -> str:
    """The worklist as HTML, of as many photographs as are graded."""
    numbers = {id(row): number for number, row in enumerate(day.rows)}
    entries: list[Entry] = []
    for row in in_order(day.rows):
        number = numbers[id(row)]
        thumbnail = day.thumbnails.get(day.sources[number])
        same = bool(entries) and entries[-1].row["patient"] == row["patient"]
        entries.append(Entry(row, number, thumbnail, same))
    rows = [entry.row for entry in entries]
    grader = day.grader
    summary = triage_text.summary(rows, len(day.sources), grader.name, grader.sha256)
    csv = base64.b64encode(to_csv(rows).encode()).decode("ascii")
    counts = Counter(row["urgency"] for row in rows)
    return str(_TEMPLATE.worklist(entries, summary, counts, csv))


def add_triage_tab(
    handlers: Handlers,
    graders: Graders,
    opened: Sequence[Any],
    open_photograph: Callable[[str, str], list[Any]],
) -> Any:
    """Add the tab to the tabs that are being built.

    Args:
        handlers: What records assessments.
        graders: The models.
        opened: What changes when a photograph of the worklist is opened.
        open_photograph: Gives the updates of ``opened``, for a photograph's path and the model.

    Returns:
        The event of opening, after which more may happen.
    """
    with gr.Tab(triage_text.TAB, id="triage"):
        with gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=320):
                upload = gr.File(
                    label=triage_text.UPLOAD,
                    file_count="multiple",
                    height=180,
                    elem_id="triage-upload",
                )
            with gr.Column(scale=6, min_width=320):
                model = gr.Dropdown(
                    list(graders.names),
                    value=graders.names[0] if graders.names else None,
                    label=text.MODEL,
                    filterable=False,
                    elem_id="triage-model",
                )
                with gr.Row():
                    button = gr.Button(triage_text.BUTTON, variant="primary", interactive=False)
                    cancel = gr.Button(
                        triage_text.BUTTON_CANCEL, visible=False, elem_id="triage-cancel"
                    )
        progress = gr.HTML("", visible=False, elem_id="triage-progress")
        shown = gr.HTML("", visible=False, js_on_load=_OPENS, elem_id="worklist")
        state = gr.State(None, time_to_live=KEPT_SECONDS)
    outputs = [state, progress, shown, button, cancel]
    for event in (upload.upload, upload.delete, upload.clear):
        event(
            lambda chosen: gr.update(interactive=bool(chosen)),
            upload,
            button,
            show_progress="hidden",
            show_progress_on=button,
            api_visibility="private",
        )

    def graded(images: list[str] | None, name: str, request: gr.Request) -> Iterator[list[Any]]:
        yield from run(handlers, graders, images, name, request)

    button.click(
        graded,
        [upload, model],
        outputs,
        show_progress="hidden",
        show_progress_on=button,
        concurrency_id=TRIAGE_QUEUE,
        concurrency_limit=1,
        api_visibility="private",
    )
    cancel.click(
        stop,
        state,
        cancel,
        queue=False,
        show_progress="hidden",
        show_progress_on=button,
        api_visibility="private",
    )

    @in_one_sentence
    def chosen(day: Day | None, event: gr.EventData) -> list[Any]:
        path = photograph_of(day, int(event.number), Path(upload.GRADIO_CACHE))
        return open_photograph(str(path), cast(Day, day).grader.name)

    return shown.click(
        chosen,
        state,
        list(opened),
        show_progress="hidden",
        show_progress_on=button,
        api_visibility="private",
    )


@in_one_sentence_each
def run(
    handlers: Handlers,
    graders: Graders,
    images: Sequence[str] | None,
    model: str,
    request: gr.Request,
) -> Iterator[list[Any]]:
    """``Grade all`` was clicked: how far it is, again and again, then the worklist."""
    if not images:
        raise ImageError(triage_text.NO_PHOTOGRAPHS)
    day = Day(graders.get(model), uploaded([Path(image) for image in images]))
    if not day.sources:
        raise ImageError(triage_text.NONE_IN_ZIP.format(endings=", ".join(SUFFIXES)))
    began = told = time.monotonic()
    stoppable = gr.update(visible=True, interactive=True)
    yield [day, _progress(day, 0), shown_html(""), gr.update(interactive=False), stoppable]
    try:
        for row in triage(day.grader, day.sources, day.see):
            handlers.listed(row, request)
            day.rows.append(row)
            if day.stopped:
                break
            now = time.monotonic()
            if now - told > _EVERY_SECONDS:
                told = now
                yield [gr.skip(), _progress(day, now - began), gr.skip(), gr.skip(), gr.skip()]
    except InputError:
        yield finished(day)
        raise
    yield finished(day)


def stop(day: Day | None) -> Update:
    """``Stop`` was clicked: ``run`` ends after the photograph at hand."""
    if day is not None:
        day.stopped = True
    update: Update = gr.update(interactive=False)
    return update


def finished(day: Day) -> list[Any]:
    """The worklist of what is done, whether that is all or was stopped."""
    return [
        day,
        shown_html(""),
        shown_html(worklist(day)),
        gr.update(interactive=True),
        gr.update(visible=False),
    ]


def photograph_of(day: Day | None, number: int, cache: Path) -> Path:
    """The file of a photograph of the worklist, in Gradio's cache.

    Raises:
        ImageError: It has been deleted since.
    """
    if day is None or not 0 <= number < len(day.sources):
        raise ImageError(triage_text.GONE)
    source = day.sources[number]
    try:
        data = read_source(source)
    except ImageError:
        raise ImageError(triage_text.GONE) from None
    path = cache / hashlib.sha256(data).hexdigest() / Path(source.name).name[-_NAME_LENGTH:]
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    return path


_OPENS = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open]");
  if (button) trigger("click", { number: Number(button.dataset.open) });
});
"""


def _progress(day: Day, seconds: float) -> Update:
    done, count = len(day.rows), len(day.sources)
    sentence = triage_text.progress(day.rows, count, seconds)
    return shown_html(str(_TEMPLATE.progress(done, count, sentence)))
