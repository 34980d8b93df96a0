import json
from pathlib import Path
from typing import Any

import pytest

from retina.errors import CheckpointError
from retina.models.checkpoint_folder import METRICS_FILE, read_metrics
from tests.checkpoints import METRICS

MATRIX = METRICS["confusion_matrix"]
FIGURE = {"value": 0.8, "low": 0.7, "high": 0.9}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"accuracy": FIGURE, "ece": 0.1, "macro_f1": None},
        {"referable": {"sensitivity": FIGURE, "specificity": None, "auroc": 0.5}},
    ],
)
def test_they_are_read_and_may_be_missing(tmp_path: Path, more: dict[str, Any]) -> None:
    assert read_metrics(tmp_path) is None
    (tmp_path / METRICS_FILE).write_text(json.dumps(METRICS | more))
    assert read_metrics(tmp_path) == METRICS | more


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"ece": NaN}', b'{"n": -Infinity}'])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / METRICS_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=METRICS_FILE):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"confusion_matrix": None}, "confusion_matrix"),
        ({"confusion_matrix": MATRIX[:4]}, "confusion_matrix"),
        ({"confusion_matrix": [row[:4] for row in MATRIX]}, "confusion_matrix"),
        ({"confusion_matrix": [[-1] * 5] * 5}, "confusion_matrix"),
        ({"confusion_matrix": [[0.5] * 5] * 5}, "confusion_matrix"),
        ({"confusion_matrix": "xxxxx"}, "confusion_matrix"),
        ({"sources": []}, "sources: Input should be"),
        ({"sources": {"a": {"n": 3}}}, r"sources\.a\.accuracy: Field required"),
        ({"n": None}, "n: Input should be"),
        ({"n": "many"}, "n: Input should be"),
        ({"quadratic_weighted_kappa": "high"}, "quadratic_weighted_kappa"),
        ({"accuracy": {"value": 0.8}}, "accuracy"),
        ({"referable": 0.9}, "referable"),
        ({"referable": {"auroc": 0.9}}, r"referable\.sensitivity: Field required"),
    ],
)
def test_what_could_not_be_shown_is_refused_and_the_sentence_says_how_to_mend_it(
    tmp_path: Path, changes: dict[str, Any], fault: str
) -> None:
    (tmp_path / METRICS_FILE).write_text(json.dumps(METRICS | changes))
    with pytest.raises(CheckpointError, match=f"{fault}.*: write it anew with .*evaluate --json"):
        read_metrics(tmp_path)
