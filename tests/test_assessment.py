import json
from dataclasses import fields, replace
from typing import Any

import numpy as np

from retina.assessment import Assessment, ImageFacts, Quality

GRADED = Assessment(
    model="resnet18-scratch",
    model_sha256="ab" * 32,
    grade=2,
    label="Moderate",
    probabilities=(0.1, 0.2, 0.4, 0.2, 0.1),
    confidence=0.4,
    referable=True,
    referable_probability=0.7,
    sight_threatening_probability=0.3,
    quality=Quality("usable", 0.6, ("Dark: use more flash.",)),
    image=ImageFacts("eye.jpg", "cd" * 32, 640, 480),
    warnings=("Close call.",),
    seconds=0.25,
    heatmap=np.ones((2, 2), np.float32),
)


def test_the_json_is_the_promised_one() -> None:
    assert json.loads(json.dumps(GRADED.to_json(), allow_nan=False)) == {
        "model": "resnet18-scratch",
        "model_sha256": "ab" * 32,
        "grade": 2,
        "label": "Moderate",
        "probabilities": [0.1, 0.2, 0.4, 0.2, 0.1],
        "confidence": 0.4,
        "referable": True,
        "referable_probability": 0.7,
        "sight_threatening_probability": 0.3,
        "quality": {"verdict": "usable", "score": 0.6, "reasons": ["Dark: use more flash."]},
        "image": {"name": "eye.jpg", "sha256": "cd" * 32, "width": 640, "height": 480},
        "warnings": ["Close call."],
        "seconds": 0.25,
    }


def test_the_json_keeps_the_order_of_the_attributes_and_leaves_only_the_heatmap_out() -> None:
    names = [field.name for field in fields(Assessment)]
    assert [*GRADED.to_json(), "heatmap"] == names


def test_an_ungraded_photograph_has_null_for_every_figure() -> None:
    figures: dict[str, Any] = {
        name: None
        for name in GRADED.to_json()
        if name not in ("model", "model_sha256", "quality", "image", "warnings", "seconds")
    }
    assert len(figures) == 7
    answer = replace(GRADED, **figures).to_json()
    assert [name for name, value in answer.items() if value is None] == list(figures)


def test_two_answers_are_compared_without_their_heatmaps() -> None:
    assert replace(GRADED, heatmap=np.zeros((2, 2), np.float32)) == GRADED
    assert replace(GRADED, grade=3) != GRADED
