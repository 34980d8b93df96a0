from pathlib import Path

import gradio as gr
import pytest

from retina.explain.methods import METHODS
from retina.images.photograph import Photograph
from retina.inference.grader import Grader
from retina.web.handlers import Handlers
from retina.web.model_pool import ModelPool
from tests.web.conftest import PHOTOGRAPH


def test_another_heatmap_neither_gates_nor_grades_again(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = Handlers(ModelPool(checkpoints))
    image = str(PHOTOGRAPH)
    *_, viewer, cases = handlers.grade([image], "resnet18-scratch", gr.Request(), anyway=True)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it was graded again")

    monkeypatch.setattr(Photograph, "quality", property(refuse))
    monkeypatch.setattr(Grader, "assess", refuse)
    shown = [handlers.explain(cases, method)["value"] for method in METHODS]
    assert len(set(shown)) == len(METHODS)
    assert viewer["value"] not in shown[1:]
