"""What the page and its API do when they are asked."""

import hashlib
import html
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import gradio as gr
from PIL import Image

from retina.assessment import Assessment
from retina.errors import CheckpointError, ImageError, InputError
from retina.explain.methods import GRAD_CAM
from retina.images.photograph import Photograph
from retina.inference.audit_log import AuditLog
from retina.inference.sources import named
from retina.inference.triage import triage
from retina.inference.worklist import Row, in_order
from retina.reporting.assessment_text import told_elsewhere
from retina.reporting.case_report import CaseReport, reports_html, reports_pdf
from retina.web import html as markup
from retina.web import text
from retina.web.html import Result, Unread, heat_of, matrix_picture, view_of
from retina.web.model_pool import LOOK_SECONDS, ModelPool, TriageQueue

if TYPE_CHECKING:
    from retina.inference.grader import Grader


P = ParamSpec("P")
R = TypeVar("R")
Update = dict[str, Any]


def as_gradio_error(handler: Callable[P, R]) -> Callable[P, R]:
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


def each_as_gradio_error(handler: Callable[P, Iterator[R]]) -> Callable[P, Iterator[R]]:
    """As ``as_gradio_error``, for a handler that answers bit by bit."""

    @wraps(handler)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        answers = handler(*args, **kwargs)
        following = as_gradio_error(lambda: next(answers, None))
        while (answer := following()) is not None:
            yield answer

    return guarded


def shown_html(html: str) -> Update:
    """Show markup, or hide what shows none."""
    update: Update = gr.update(value=html, visible=bool(html))
    return update


MODEL_QUEUE = "model"
"""All events that run a model share it, so that one runs at a time."""


@dataclass(frozen=True)
class GradedPhotograph:
    """An assessment that is shown, and the upload that it is of."""

    image: str
    assessment: Assessment


class Handlers:
    """The functions behind the page and the API.

    ``image`` is always the path of an upload in Gradio's own cache, or None where there is none;
    ``images`` are one or two of them, of one patient.

    Attributes:
        audit: Gets every assessment that is given away; None where none is kept.
        turns: The line in which triages wait, so that single photographs need not wait for them.
    """

    def __init__(self, graders: ModelPool, audit: AuditLog | None = None) -> None:
        self.audit = audit
        self.turns = TriageQueue()
        self._graders = graders
        self._matrix = cache(lambda name: matrix_picture(graders.get(name)))
        self._elsewhere = cache(lambda name: told_elsewhere(graders.get(name).checkpoint.folder))

    @as_gradio_error
    def api_grade(
        self, image: str | None, model: str, anyway: bool, request: gr.Request
    ) -> tuple[dict[str, Any], Image.Image | None, Image.Image | None]:
        """``/grade``: the assessment, the heatmap, the confusion matrix."""
        grader = self._graders.get(model)
        began = time.perf_counter()
        photograph = grader.read(_held(image))
        assessment = grader.assess(photograph, anyway=anyway, began=began)
        self._record([assessment], request)
        return assessment.to_json(), grader.overlay(photograph, assessment), self._matrix(model)

    @as_gradio_error
    def api_compare(self, image: str | None, request: gr.Request) -> list[dict[str, Any]]:
        """``/compare``: an assessment of each model, in the order of ``/models``."""
        assessments = [grader.assess(photograph) for grader, photograph in self._each_grader(image)]
        self._record(assessments, request)
        return [assessment.to_json() for assessment in assessments]

    @as_gradio_error
    def api_triage(
        self, images: Sequence[str] | None, model: str, request: gr.Request
    ) -> list[Row]:
        """``/triage``: the worklist."""
        if not images:
            raise ImageError(text.NO_PHOTOGRAPH)
        with (
            closing(named(Path(image) for image in images)) as found,
            self.turns.turn() as before,
        ):
            while before():
                time.sleep(LOOK_SECONDS)
            rows = in_order(triage(self._graders.get(model), found.sources))
        for row in rows:
            self.listed(row, request)
        return rows

    @as_gradio_error
    def api_models(self) -> list[dict[str, Any]]:
        """``/models``."""
        return self._graders.describe()

    def show(self, images: Sequence[str] | None) -> tuple[Update, Update, Update]:
        """Photographs were chosen or taken away: their views, what is to be said, the button."""
        images = images or ()
        if len(images) > 2:
            too_many = markup.notice(text.TOO_MANY.format(count=len(images)))
            return shown_html(""), shown_html(too_many), gr.update(interactive=False)
        views, notices = [], []
        for image in images:
            try:
                view = view_of(_held(image))
            except ImageError as error:
                notices.append(markup.notice(str(error)))
            else:
                views.append(view)
                name = view.name if len(images) > 1 else ""
                notices.append(markup.quality(view.quality, name))
        twice = len(views) > 1 and len({_sha256(image) for image in images}) == 1
        if twice:
            notices.append(markup.notice(text.SAME_TWICE))
        return (
            shown_html(markup.viewers(views)),
            shown_html("".join(notices)),
            gr.update(interactive=bool(views) and not twice),
        )

    @as_gradio_error
    def model_facts(self, model: str) -> str:
        """A model was chosen: what it is."""
        return markup.model_facts(self._graders.config(model))

    @as_gradio_error
    def grade(
        self, images: Sequence[str] | None, model: str, request: gr.Request, anyway: bool = False
    ) -> tuple[str, Update, Update, Update, list[GradedPhotograph]]:
        """``Grade`` was clicked: the answer, the way past the gate, the methods, the viewers.

        Last, what may be filed of it.
        """
        grader = self._graders.get(model)
        results, views, unread, cases = [], [], [], []
        for image in images or (None,):
            began = time.perf_counter()
            try:
                photograph = grader.read(_held(image))
                assessment = grader.assess(photograph, anyway=anyway, began=began)
                results.append(self._result(photograph, grader, assessment))
                cases.append(GradedPhotograph(str(image), results[-1].assessment))
                views.append(view_of(str(image)))
            except ImageError as error:
                if image is None or len(images or ()) < 2:
                    raise
                unread.append(Unread(Path(image).name, _sha256(image), str(error)))
        self._record([case.assessment for case in cases], request)
        refused = any(result.assessment.grade is None for result in results)
        graded = any(result.heat is not None for result in results)
        return (
            markup.assessment(results, unread),
            gr.update(visible=refused),
            gr.update(visible=graded, value=GRAD_CAM),
            shown_html(markup.viewers(views, results)),
            cases,
        )

    def grade_anyway(
        self, images: Sequence[str] | None, model: str, request: gr.Request
    ) -> tuple[str, Update, Update, Update, list[GradedPhotograph]]:
        """``Grade anyway`` was clicked: as ``grade``, whatever the quality gate says."""
        return self.grade(images, model, request, anyway=True)

    @as_gradio_error
    def explain(self, cases: Sequence[GradedPhotograph], method: str) -> Update:
        """A method was chosen: the viewers with its heatmaps of the predictions that are shown.

        Raises:
            ImageError: A photograph has been deleted since.
        """
        results, views = [], []
        for case in cases:
            grader = self._graders.get(case.assessment.model)
            photograph = grader.read(_held(case.image))
            results.append(self._result(photograph, grader, case.assessment, method))
            views.append(view_of(case.image))
        return shown_html(markup.viewers(views, results, heat=True))

    @each_as_gradio_error
    def compare(self, image: str | None, request: gr.Request) -> Iterator[list[Update]]:
        """``Compare`` was clicked: a sentence, all models' answers, the button to cancel."""
        if not self._graders.names:
            raise CheckpointError(text.NO_MODEL)
        view = view_of(_held(image))
        count = len(self._graders.names)
        results: list[Result] = []
        left_out: list[str] = []
        yield [
            shown_html(markup.progress_html(text.progress(0, count))),
            gr.skip(),
            gr.update(visible=True),
        ]
        for grader, photograph in self._each_grader(image, left_out):
            results.append(self._result(photograph, grader, grader.assess(photograph)))
            done = markup.progress_html(text.progress(len(results), count))
            yield [shown_html(done), gr.skip(), gr.skip()]
        if not results:
            raise CheckpointError(left_out[0])
        assessments = [result.assessment for result in results]
        self._record(assessments, request)
        yield [
            shown_html(markup.agreement_html(assessments, left_out)),
            shown_html(markup.compared(view, results)),
            gr.update(visible=False),
        ]

    def is_stale(
        self, images: Sequence[str] | None, answer: str | None, model: str | None = None
    ) -> bool:
        """Whether an answer arrived after its photographs, or its model, had been changed."""
        if not images or answer is None or not all(Path(image).exists() for image in images):
            return True
        return not markup.answers_to(answer, [_sha256(image) for image in images], model)

    def report(self, cases: Sequence[GradedPhotograph], kind: str, name: str) -> bytes:
        """Case reports in one file, as ``pdf`` or ``html``.

        Raises:
            ImageError: A photograph has been deleted since, or the page was forgotten.
            SettingsError: The name is too long.
        """
        if not cases:
            raise ImageError(text.LET_GO)
        reports = []
        for case in cases:
            grader = self._graders.get(case.assessment.model)
            photograph = grader.read(_held(case.image))
            overlay = grader.overlay(photograph, case.assessment)
            reports.append(
                CaseReport(case.assessment, grader.checkpoint, photograph.image, overlay, name)
            )
        return reports_pdf(reports) if kind == "pdf" else reports_html(reports).encode()

    def listed(self, row: Row, request: gr.Request) -> None:
        """Record a row of a worklist, where a log is kept."""
        if self.audit is not None:
            self.audit.listed(row, request.username)

    def _record(self, assessments: Sequence[Assessment], request: gr.Request) -> None:
        if self.audit is not None:
            for assessment in assessments:
                self.audit.assessed(assessment, request.username)

    def _each_grader(
        self, image: str | None, left_out: list[str] | None = None
    ) -> Iterator[tuple["Grader", Photograph]]:
        """All models, with the photograph decoded once for each size that is needed.

        Args:
            image: The photograph.
            left_out: Gets why models cannot be used; None: the first that cannot is an error.
        """
        photographs: dict[int, Photograph] = {}
        for name in self._graders.names:
            try:
                grader = self._graders.get(name)
            except CheckpointError as error:
                if left_out is None:
                    raise
                left_out.append(str(error))
                continue
            need = grader.checkpoint.config.preprocessing.at_least
            if need not in photographs:
                photographs[need] = grader.read(_held(image))
            yield grader, photographs[need]

    def _result(
        self,
        photograph: Photograph,
        grader: "Grader",
        assessment: Assessment,
        method: str = GRAD_CAM,
    ) -> Result:
        heat, scale = assessment.heatmap, grader.checkpoint.config.heatmap_scale
        if method != GRAD_CAM and assessment.grade is not None:
            heat, scale = grader.explain(photograph, assessment.grade, method), 1.0
        settings = grader.checkpoint.config.preprocessing
        shown = None if heat is None else heat_of(photograph, settings, heat, scale, method)
        return Result(assessment, grader.checkpoint, shown, self._elsewhere(grader.name))


def _held(image: str | None) -> str:
    if image is None:
        raise ImageError(text.NO_PHOTOGRAPH)
    if not Path(image).exists():
        raise ImageError(text.LET_GO)
    return image


def _sha256(image: str) -> str:
    return hashlib.sha256(Path(_held(image)).read_bytes()).hexdigest()
