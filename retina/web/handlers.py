"""What happens when someone uploads, clicks or calls the API."""

import hashlib
import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from PIL import Image

from retina.assessment import Assessment
from retina.errors import CheckpointError, InputError
from retina.images.decode import ImageError, Photograph, read_photograph
from retina.inference.grader import VIEW_SIDE, Grader
from retina.web import markup, text
from retina.web.graders import Graders
from retina.web.pictures import matrix_picture, preview

P = ParamSpec("P")
R = TypeVar("R")
Update = dict[str, Any]

MODEL_QUEUE = "model"
"""All events that run a model share it, so that one runs at a time."""


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


@dataclass(frozen=True)
class Graded:
    """A photograph that went through one model, and the pictures that go with the answer."""

    grader: Grader
    assessment: Assessment
    heatmap: Image.Image | None
    matrix: Image.Image | None


class Handlers:
    """The functions behind the page and the API.

    ``image`` is always the path of an upload in Gradio's own cache, or None where there is none.
    """

    def __init__(self, graders: Graders) -> None:
        self._graders = graders
        self._matrix = cache(lambda name: matrix_picture(graders.get(name)))

    @in_one_sentence
    def api_grade(
        self, image: str | None, model: str, anyway: bool = False
    ) -> tuple[dict[str, Any], Image.Image | None, Image.Image | None]:
        """``/grade``: the assessment, the heatmap, the confusion matrix."""
        graded = self._grade(image, model, anyway)
        return graded.assessment.to_json(), graded.heatmap, graded.matrix

    @in_one_sentence
    def api_compare(self, image: str | None) -> list[dict[str, Any]]:
        """``/compare``: an assessment of each model, in the order of ``/models``."""
        return [graded.assessment.to_json() for graded in self._compare(image)]

    @in_one_sentence
    def api_models(self) -> list[dict[str, Any]]:
        """``/models``."""
        return self._graders.describe()

    def show(self, image: str | None) -> tuple[Update, Update, Update]:
        """A photograph was chosen or taken away: its picture, what is wrong with it, the button."""
        picture, sentence = None, ""
        if image is not None:
            try:
                picture = preview(read_photograph(image, at_least=VIEW_SIDE))
            except ImageError as error:
                sentence = str(error)
        notice = gr.update(value=markup.notice(sentence), visible=bool(sentence))
        return _shown(picture), notice, gr.update(interactive=image is not None)

    @in_one_sentence
    def model_facts(self, model: str) -> str:
        """A model was chosen: what it is."""
        return markup.model_facts(self._graders.config(model))

    @in_one_sentence
    def grade(
        self, image: str | None, model: str, anyway: bool = False
    ) -> tuple[str, Update, Update, Update, Update]:
        """``Grade`` was clicked: the answer, the way past the gate, evidence, heatmap, matrix."""
        graded = self._grade(image, model, anyway)
        answer = markup.assessment(graded.assessment, graded.grader.checkpoint)
        refused = graded.assessment.grade is None
        shown = gr.update(visible=refused), gr.update(visible=not refused)
        return answer, *shown, _shown(graded.heatmap), _shown(graded.matrix)

    def grade_anyway(
        self, image: str | None, model: str
    ) -> tuple[str, Update, Update, Update, Update]:
        """``Grade anyway`` was clicked: as ``grade``, whatever the quality gate says."""
        return self.grade(image, model, anyway=True)

    @in_one_sentence
    def compare(self, image: str | None) -> list[str | Update]:
        """``Compare`` was clicked: a sentence, their row, and three outputs for each model."""
        results = self._compare(image)
        if not results:
            raise CheckpointError(text.NO_MODEL)
        outputs: list[str | Update] = [
            markup.agreement([graded.assessment for graded in results]),
            gr.update(visible=True),
        ]
        for graded in results:
            answer = markup.compared(graded.assessment, graded.grader.checkpoint)
            outputs += [answer, _shown(graded.heatmap), _shown(graded.matrix)]
        return outputs

    def is_stale(self, image: str | None, answer: str | None, model: str | None = None) -> bool:
        """Whether an answer arrived after its photograph, or its model, had been changed."""
        if image is None or answer is None:
            return True
        sha256 = hashlib.sha256(Path(image).read_bytes()).hexdigest()
        return not markup.answers_to(answer, sha256, model)

    def _grade(self, image: str | None, model: str, anyway: bool) -> Graded:
        grader = self._graders.get(model)
        began = time.perf_counter()
        return self._assess(_read(image, _need(grader)), grader, began, anyway)

    def _compare(self, image: str | None) -> list[Graded]:
        graders = [self._graders.get(name) for name in self._graders.names]
        # Decoded once for each size that is needed, so that every answer is the one of /grade.
        photographs = {need: _read(image, need) for need in {_need(each) for each in graders}}
        return [self._assess(photographs[_need(grader)], grader) for grader in graders]

    def _assess(
        self,
        photograph: Photograph,
        grader: Grader,
        began: float | None = None,
        anyway: bool = False,
    ) -> Graded:
        assessment = grader.assess(photograph, anyway=anyway, began=began)
        heatmap = grader.overlay(photograph, assessment)
        return Graded(grader, assessment, heatmap, self._matrix(grader.name))


def _need(grader: Grader) -> int:
    return grader.checkpoint.config.preprocessing.at_least


def _read(image: str | None, at_least: int) -> Photograph:
    if image is None:
        raise ImageError(text.NO_PHOTOGRAPH)
    return read_photograph(image, at_least=at_least)


def _shown(picture: Image.Image | None) -> Update:
    update: Update = gr.update(value=picture, visible=picture is not None)
    return update
