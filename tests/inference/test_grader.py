import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from retina import Grader
from retina.assessment import Assessment, Quality
from retina.datasets.cache import PreparedCache
from retina.datasets.catalog import read_folder
from retina.datasets.synthetic import draw_fundus
from retina.errors import CheckpointError, MissingFile, Truncated
from retina.evaluation.evaluate import evaluate
from retina.explain import forward_with_cam
from retina.explain.methods import LIBRARY_METHODS, relative_heatmap
from retina.images.decode import prepare, read_photograph
from retina.images.photograph import Photograph
from retina.models.checkpoint import load_checkpoint
from retina.models.config import OperatingPoint
from retina.scale import LABELS


@pytest.fixture(scope="module")
def grader(checkpoints: Path) -> Grader:
    return Grader.load("small", checkpoints=checkpoints)


@pytest.fixture(scope="module")
def photographs(drawn_data: Path) -> list[Path]:
    return sorted((drawn_data / "images").iterdir())[:8]


def figures(assessment: Assessment) -> Assessment:
    return replace(assessment, seconds=0.0)


def answering(grader: Grader, logits: Sequence[float], threshold: float = 0.5) -> Grader:
    """A grader whose network always gives these logits."""
    checkpoint = load_checkpoint(grader.checkpoint.folder)
    head = checkpoint.model.get_submodule("fc")
    nn.init.zeros_(head.get_parameter("weight"))
    head.get_parameter("bias").data = torch.tensor(logits)
    point = OperatingPoint(threshold, "by hand", "validation")
    config = replace(checkpoint.config, temperature=1.0, referable=point)
    return Grader(replace(checkpoint, config=config))


def test_prepares_as_every_other_door_does(grader: Grader, photographs: list[Path]) -> None:
    prepared = grader.prepare(photographs[0])
    assert prepared.dtype == torch.float32
    assert prepared.shape == (1, 3, 64, 64)
    settings = grader.checkpoint.config.preprocessing
    np.testing.assert_array_equal(prepared.numpy(), prepare(photographs[0], settings))


def test_the_answer_is_the_softmax_of_the_model_on_what_it_prepares(
    grader: Grader, photographs: list[Path]
) -> None:
    for photograph in photographs:
        logits, heatmap = forward_with_cam(grader.model, grader.prepare(photograph))
        expected = torch.softmax(logits[0].double() / 1.7, dim=0).tolist()
        answer = grader.grade(photograph)
        assert answer.probabilities == pytest.approx(expected, abs=1e-5)
        assert answer.heatmap is not None
        assert answer.heatmap.dtype == np.float32
        np.testing.assert_allclose(answer.heatmap, heatmap[0], rtol=1e-4, atol=1e-4)


def test_onnx_runtime_gives_the_same_grades_and_heatmaps(
    grader: Grader, checkpoints: Path, photographs: list[Path]
) -> None:
    other = Grader.load("small", checkpoints=checkpoints, engine="onnxruntime")
    for photograph in photographs:
        answer, expected = other.grade(photograph), grader.grade(photograph)
        assert answer.grade == expected.grade
        assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
        assert answer.heatmap is not None
        assert expected.heatmap is not None
        np.testing.assert_allclose(answer.heatmap, expected.heatmap, rtol=0, atol=1e-4)


def test_what_it_says_agrees_with_itself(grader: Grader, photographs: list[Path]) -> None:
    answers = [grader.grade(photograph) for photograph in photographs]
    for answer in answers:
        assert answer.probabilities is not None
        assert sum(answer.probabilities) == pytest.approx(1, abs=1e-9)
        assert all(0 <= probability <= 1 for probability in answer.probabilities)
        assert answer.grade == int(np.argmax(answer.probabilities))
        assert answer.label == LABELS[answer.grade]
        assert answer.confidence == max(answer.probabilities)
        assert answer.referable_probability == pytest.approx(sum(answer.probabilities[2:]))
        assert answer.sight_threatening_probability == pytest.approx(sum(answer.probabilities[3:]))
        assert answer.referable_probability is not None
        assert answer.referable is (answer.referable_probability >= 0.35)
    assert len({answer.probabilities for answer in answers}) == len(answers)


def test_the_threshold_itself_is_referred(grader: Grader, photographs: list[Path]) -> None:
    logits = [1.0, 0.0, 0.0, 0.5, 0.0]
    probability = answering(grader, logits).grade(photographs[0]).referable_probability
    assert probability is not None
    at_it = answering(grader, logits, probability).grade(photographs[0])
    above = answering(grader, logits, float(np.nextafter(probability, 1))).grade(photographs[0])
    assert (at_it.referable, above.referable) == (True, False)


def test_names_the_model_and_the_file(grader: Grader, photographs: list[Path]) -> None:
    answer = grader.grade(photographs[0])
    weights = (grader.checkpoint.folder / "model.safetensors").read_bytes()
    assert (answer.model, grader.name) == ("small", "small")
    assert answer.model_sha256 == grader.sha256 == hashlib.sha256(weights).hexdigest()
    assert answer.image.name == photographs[0].name
    assert answer.image.sha256 == hashlib.sha256(photographs[0].read_bytes()).hexdigest()
    whole = read_photograph(photographs[0])
    assert (answer.image.width, answer.image.height) == whole.image.size
    assert answer.seconds > 0


def test_path_text_file_and_decoded_photograph_give_the_same(
    grader: Grader, photographs: list[Path]
) -> None:
    expected = figures(grader.grade(photographs[0]))
    assert figures(grader.grade(str(photographs[0]))) == expected
    with photographs[0].open("rb") as file:
        assert figures(grader.grade(file)) == expected
    at_least = grader.checkpoint.config.preprocessing.at_least
    decoded = read_photograph(photographs[0], at_least=at_least)
    assert figures(grader.assess(decoded)) == expected
    assert figures(grader.assess(grader.read(photographs[0]))) == expected


def test_reading_decodes_no_more_than_the_model_needs(grader: Grader, tmp_path: Path) -> None:
    file = tmp_path / "eye.jpg"
    draw_fundus(2, 0, 1000).save(file)
    seen = grader.read(file, name="another.jpg")
    need = grader.checkpoint.config.preprocessing.at_least
    assert need <= min(seen.image.size) < 1000 <= seen.width
    assert seen.facts.name == "another.jpg"


def test_threads_share_a_grader(grader: Grader, photographs: list[Path]) -> None:
    expected = [figures(grader.grade(photograph)) for photograph in photographs]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(grader.grade, photographs * 4))
    assert [figures(answer) for answer in answers] == expected * 4


def test_evaluate_answers_the_same(
    grader: Grader, drawn_data: Path, photographs: list[Path]
) -> None:
    rows = read_folder(drawn_data).table.iloc[: len(photographs)]
    assert rows["path"].tolist() == [str(photograph.resolve()) for photograph in photographs]
    checkpoint = load_checkpoint(grader.checkpoint.folder)
    predictions = evaluate(checkpoint, rows, PreparedCache(), torch.device("cpu")).predictions
    theirs = predictions[["p0", "p1", "p2", "p3", "p4"]].to_numpy()
    ours = [grader.grade(photograph).probabilities for photograph in photographs]
    np.testing.assert_allclose(np.array(ours), theirs, rtol=0, atol=1e-5)


def test_grading_leaves_no_trace(grader: Grader, photographs: list[Path]) -> None:
    before = {name: tensor.clone() for name, tensor in grader.model.state_dict().items()}
    grader.grade(photographs[0])
    assert all(parameter.grad is None for parameter in grader.model.parameters())
    for name, tensor in grader.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def reject(photograph: Photograph, retina: object = None) -> Quality:
    return Quality("reject", 0.1, ("Blurred: focus again.",))


def test_a_rejected_photograph_gets_no_figure(
    grader: Grader, photographs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    graded = grader.grade(photographs[0])
    monkeypatch.setattr("retina.images.photograph.assess_quality", reject)
    answer = grader.grade(photographs[0])
    for name in (
        "grade",
        "label",
        "probabilities",
        "confidence",
        "referable",
        "referable_probability",
        "sight_threatening_probability",
        "heatmap",
    ):
        assert getattr(answer, name) is None, name
    assert answer.quality == reject(read_photograph(photographs[0]))
    assert (answer.image, answer.model_sha256) == (graded.image, graded.model_sha256)

    anyway = grader.grade(photographs[0], anyway=True)
    assert anyway.probabilities == graded.probabilities
    assert anyway.warnings[0].startswith("The quality gate rejected this photograph")


def test_an_answer_that_is_no_number_is_no_grade(grader: Grader, photographs: list[Path]) -> None:
    with pytest.raises(CheckpointError, match="not a number"):
        answering(grader, [float("nan")] * 5).grade(photographs[0])


def test_a_file_that_cannot_be_read_says_so(
    grader: Grader, photographs: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(MissingFile):
        grader.grade(tmp_path / "nothing.jpg")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photographs[0].read_bytes()[:-2000])
    with pytest.raises(Truncated):
        grader.grade(cut)


def test_a_missing_model_is_named_with_those_that_exist(checkpoints: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'large'.*: choose one of small$"):
        Grader.load("large", checkpoints=checkpoints)


def test_what_the_model_is_poor_at_is_said(grader: Grader, photographs: list[Path]) -> None:
    sure = answering(grader, [0.0, 0.0, 0.0, 0.0, 9.0])
    metrics = {"confusion_matrix": [[0] * 5] * 4 + [[3, 0, 0, 0, 1]]}
    poor = Grader(replace(sure.checkpoint, metrics=metrics))
    said = "This model recognised 1 of 4 Proliferative DR test photographs."
    assert poor.grade(photographs[0]).warnings == (said,)
    assert sure.grade(photographs[0]).warnings == ()


def test_other_methods_explain_what_was_graded(grader: Grader, photographs: list[Path]) -> None:
    photograph = read_photograph(photographs[0])
    for method in LIBRARY_METHODS:
        expected = relative_heatmap(grader.model, grader.prepare(photographs[0]), 2, method)
        np.testing.assert_allclose(grader.explain(photograph, 2, method), expected, atol=1e-4)
