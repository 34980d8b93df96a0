"""What is filed of an answer on the Grade tab: the case report, and the clinician's verdict."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from retina.assessment import Assessment
from retina.errors import AuditError, ImageError
from retina.inference.audit_log import NOTE_LENGTH, AuditLog
from retina.inference.verdicts import read_log, verdicts_csv
from retina.web import html as markup
from retina.web import text
from retina.web.handlers import GradedPhotograph, Handlers, as_gradio_error

_DOWNLOADS = "() => document.querySelectorAll('#{} a[download]').forEach((link) => link.click())"
_MIME = {"pdf": "application/pdf", "html": "text/html", "csv": "text/csv"}


@dataclass(frozen=True)
class ReportPanel:
    """The part of the Grade tab that is seen once there is an answer.

    Attributes:
        outputs: What ``updates`` fills.
        cases: The ``GradedPhotograph`` objects of the answer that is shown.
    """

    outputs: Sequence[Any]
    cases: gr.State

    def updates(self, cases: Sequence[GradedPhotograph]) -> list[Any]:
        """Offer to file an answer; nothing that was typed for the last one is left."""
        names = [case.assessment.image.name for case in cases]
        which = gr.update(
            choices=[(name, number) for number, name in enumerate(names)],
            value=0,
            visible=len(names) > 1,
        )
        verdict = self.outputs[3:]
        return [
            gr.update(visible=bool(cases)),
            list(cases),
            "",
            *([which, _blank(), _blank(""), ""] if verdict else []),
        ]


def add_filing(handlers: Handlers) -> ReportPanel:
    """Add it to the column that is being built."""
    with gr.Column(visible=False, elem_id="filing") as panel:
        cases = gr.State([])
        with gr.Row():
            kind = gr.Radio(
                [(label, kind) for kind, label in text.KINDS.items()],
                value="pdf",
                label=text.REPORT,
                elem_id="report-kind",
                scale=2,
            )
            name = gr.Textbox("", label=text.NAME, max_length=100, elem_id="report-name", scale=3)
        make = gr.Button(text.BUTTON_REPORT, elem_id="make-report")
        links = gr.HTML("", elem_id="reports")
        outputs = [panel, cases, links]
        if handlers.audit is not None:
            outputs += _add_verdict(handlers.audit, cases)

    @as_gradio_error
    def made(held: Sequence[GradedPhotograph], name: str, kind: str) -> str:
        content = handlers.report(held, kind, name)
        file = text.report_file([case.assessment for case in held], kind)
        return _link(file, content, text.report_link(kind, len(held)))

    make.click(
        made,
        [cases, name, kind],
        links,
        show_progress="minimal",
        show_progress_on=make,
        api_visibility="private",
    ).success(None, js=_DOWNLOADS.format("reports"))
    return ReportPanel(outputs, cases)


def _add_verdict(audit: AuditLog, cases: gr.State) -> list[Any]:
    # As many as there can be, also for a page that was forgotten meanwhile.
    which = gr.Radio([0, 1], label=text.WHICH, visible=False, elem_id="verdict-which")
    grade = gr.Radio(text.CHOICES, label=text.VERDICT, value=None, elem_id="verdict-grade")
    note = gr.Textbox("", label=text.NOTE, max_length=NOTE_LENGTH, elem_id="verdict-note")
    with gr.Row():
        record = gr.Button(text.BUTTON_VERDICT, elem_id="verdict-record")
        every = gr.Button(text.BUTTON_VERDICTS, elem_id="verdicts-download")
    told = gr.HTML("", elem_id="verdict-told")

    @as_gradio_error
    def recorded(
        held: Sequence[GradedPhotograph],
        number: int,
        choice: str | None,
        note: str,
        request: gr.Request,
    ) -> tuple[str, None, str]:
        if not held:
            raise ImageError(text.LET_GO)
        if choice is None:
            raise AuditError(text.NO_VERDICT)
        assessment: Assessment = held[number].assessment
        judged = text.judged(choice, assessment)
        audit.judged(assessment, judged, note, request.username)
        done = text.recorded(assessment, choice, len(held) > 1)
        return markup.progress_html(done), None, ""

    @as_gradio_error
    def verdicts() -> str:
        csv = verdicts_csv(read_log(audit.file).entries)
        return _link(text.VERDICTS_FILE, csv.encode(), text.VERDICTS_READY)

    record.click(
        recorded,
        [cases, which, grade, note],
        [told, grade, note],
        show_progress="hidden",
        show_progress_on=record,
        api_visibility="private",
    )
    every.click(
        verdicts,
        None,
        told,
        show_progress="hidden",
        show_progress_on=every,
        api_visibility="private",
    ).success(None, js=_DOWNLOADS.format("verdict-told"))
    return [which, grade, note, told]


def _blank(value: str | None = None) -> dict[str, Any]:
    update: dict[str, Any] = gr.update(value=value, visible=True)
    return update


def _link(file: str, content: bytes, label: str) -> str:
    kind = file.rpartition(".")[2]
    data = base64.b64encode(content).decode("ascii")
    address = f"data:{_MIME[kind]};base64,{data}"
    return f'<p class="file"><a download="{file}" href="{address}">{escape(label)}</a></p>'
