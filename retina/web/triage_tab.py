"""The Triage tab: many photographs become a worklist, each a click away from the Grade tab."""

import base64
import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gradio as gr
from PIL import Image

from retina.errors import ImageError, InputError
from retina.files import replacing
from retina.images.limits import IMAGE_ENDINGS
from retina.images.photograph import Photograph
from retina.inference.sources import Found, Source, read_source, uploaded
from retina.inference.triage import triage
from retina.inference.worklist import URGENCIES, Row, in_order, worklist_csv
from retina.reporting.figures import text_on
from retina.reporting.formatting import template
from retina.scale import GRADES, RESEARCH_ONLY
from retina.web import text
from retina.web.gradio_internals import Upload, upload_folder, uploads
from retina.web.handlers import Handlers, Update, as_gradio_error, each_as_gradio_error, shown_html
from retina.web.html import picture_address
from retina.web.model_pool import LOOK_SECONDS, ModelPool
from retina.web.text import triage as triage_text

if TYPE_CHECKING:
    from retina.inference.grader import Grader

KEPT_SECONDS = 3600
"""How long a visitor's worklist is remembered."""

_THUMBNAIL_SIDE = 128
_NAME_BYTES = 120  # so that no file system refuses the name
_UNUSUAL = re.compile(r"[^\w .,()+-]")

_TEMPLATE: Any = template(
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
class TriageSession:
    """What one visitor has in triage.

    Attributes:
        grader: The model.
        found: The photographs, and what was left out.
        rows: Of those that are graded, in the order of ``found.sources``.
        thumbnails: ``data:`` addresses, of those that could be read.
        stopped: Whether no more are to be graded.
        ended: Whether no more will be.
    """

    grader: "Grader"
    found: Found
    rows: list[Row] = field(default_factory=list)
    thumbnails: dict[Source, str] = field(default_factory=dict)
    stopped: bool = False
    ended: bool = False

    def see(self, source: Source, photograph: Photograph) -> None:
        """Keep a small picture of the retina."""
        small = photograph.image.crop(photograph.field_of_view.box)
        small.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
        self.thumbnails[source] = picture_address(small, "jpeg", quality=75)

    def close(self) -> None:
        """Grade no more, and let go of the archives."""
        self.ended = True
        self.found.close()


@dataclass(frozen=True)
class ListedPhotograph:
    """A line of the worklist: its row, its place in the day, its picture, whose eye."""

    row: Row
    number: int
    thumbnail: str | None
    same_patient: bool


def worklist(day: TriageSession) -> str:
    """The worklist as HTML, of as many photographs as are graded."""
    numbers = {id(row): number for number, row in enumerate(day.rows)}
    entries: list[ListedPhotograph] = []
    for row in in_order(day.rows):
        number = numbers[id(row)]
        thumbnail = day.thumbnails.get(day.found.sources[number])
        same = bool(entries) and entries[-1].row["patient"] == row["patient"]
        entries.append(ListedPhotograph(row, number, thumbnail, same))
    rows = [entry.row for entry in entries]
    grader = day.grader
    summary = triage_text.worklist_summary(rows, len(day.found.sources), grader.name, grader.sha256)
    remarks = triage_text.remarks(rows, day.found)
    csv = base64.b64encode(worklist_csv(rows).encode()).decode("ascii")
    counts = Counter(row["urgency"] for row in rows)
    return str(_TEMPLATE.worklist(entries, summary, remarks, counts, csv))


def add_triage_tab(
    handlers: Handlers,
    graders: ModelPool,
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
                upload = uploads(label=triage_text.UPLOAD_MANY, height=180, elem_id="triage-upload")
                gr.HTML(str(_TEMPLATE.folder(IMAGE_ENDINGS)))
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
                        triage_text.BUTTON_STOP, visible=False, elem_id="triage-cancel"
                    )
        progress = gr.HTML("", visible=False, elem_id="triage-progress")
        shown = gr.HTML("", visible=False, js_on_load=_OPENS, elem_id="worklist")
        state = gr.State(None, time_to_live=KEPT_SECONDS)
    outputs = [state, progress, shown, button, cancel]

    def graded(files: list[Upload] | None, name: str, request: gr.Request) -> Iterator[list[Any]]:
        yield from run_triage(handlers, graders, files, name, request)

    running = button.click(
        graded,
        [upload, model],
        outputs,
        show_progress="hidden",
        show_progress_on=button,
        concurrency_limit=None,
        api_visibility="private",
    )
    for event in (upload.upload, upload.delete, upload.clear, running.then):
        event(
            offered,
            [upload, state],
            button,
            show_progress="hidden",
            show_progress_on=button,
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

    @as_gradio_error
    def chosen(day: TriageSession | None, event: gr.EventData) -> list[Any]:
        path = photograph_of(day, int(event.number), upload_folder(upload))
        return open_photograph(str(path), cast(TriageSession, day).grader.name)

    return shown.click(
        chosen,
        state,
        list(opened),
        show_progress="hidden",
        show_progress_on=button,
        api_visibility="private",
    )


@each_as_gradio_error
def run_triage(
    handlers: Handlers,
    graders: ModelPool,
    files: Sequence[Upload] | None,
    model: str,
    request: gr.Request,
) -> Iterator[list[Any]]:
    """``Grade all`` was clicked: how far it is, again and again, then the worklist."""
    if not files:
        raise ImageError(triage_text.NO_PHOTOGRAPHS)
    day = TriageSession(graders.get(model), uploaded(files))
    if not day.found.sources:
        raise ImageError(triage_text.none_found(IMAGE_ENDINGS, day.found.left_out))
    with closing(day), handlers.turns.turn() as before:
        stoppable = gr.update(visible=True, interactive=True)
        yield [day, _progress(day, 0), shown_html(""), gr.update(interactive=False), stoppable]
        while not day.stopped and (others := before()):
            yield _only(shown_html(str(_TEMPLATE.waiting(triage_text.waiting(others)))))
            time.sleep(LOOK_SECONDS)
        began = told = time.monotonic()
        try:
            for row in () if day.stopped else triage(day.grader, day.found.sources, day.see):
                handlers.listed(row, request)
                day.rows.append(row)
                if day.stopped:
                    break
                now = time.monotonic()
                if now - told > LOOK_SECONDS:
                    told = now
                    yield _only(_progress(day, now - began))
        except InputError:
            yield finished(day)
            raise
    yield finished(day)


def offered(files: Sequence[Upload] | None, day: TriageSession | None) -> Update:
    """Photographs were chosen or taken away, or a run ended: whether there is one to begin."""
    update: Update = gr.update(interactive=bool(files) and (day is None or day.ended))
    return update


def stop(day: TriageSession | None) -> Update:
    """``Stop`` was clicked: ``run_triage`` ends after the photograph at hand."""
    if day is not None:
        day.stopped = True
    update: Update = gr.update(interactive=False)
    return update


def finished(day: TriageSession) -> list[Any]:
    """The worklist of what is done, whether that is all or was stopped."""
    return [
        day,
        shown_html(""),
        shown_html(worklist(day)),
        gr.skip(),
        gr.update(visible=False),
    ]


def photograph_of(day: TriageSession | None, number: int, cache: Path) -> Path:
    """The file of a photograph of the worklist, in Gradio's cache.

    Raises:
        ImageError: It has been deleted since.
    """
    if day is None or not 0 <= number < len(day.found.sources):
        raise ImageError(triage_text.GONE)
    source = day.found.sources[number]
    try:
        with closing(day.found):
            data = read_source(source)
    except ImageError:
        raise ImageError(triage_text.GONE) from None
    end = Path(source.name).name.encode(errors="replace")[-_NAME_BYTES:].decode(errors="ignore")
    name = _UNUSUAL.sub("_", end)
    path = cache / hashlib.sha256(data).hexdigest() / name
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


def _only(progress: Update) -> list[Any]:
    return [gr.skip(), progress, gr.skip(), gr.skip(), gr.skip()]


def _progress(day: TriageSession, seconds: float) -> Update:
    done, count = len(day.rows), len(day.found.sources)
    sentence = triage_text.triage_progress(day.rows, count, seconds)
    return shown_html(str(_TEMPLATE.progress(done, count, sentence)))
