import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from retina.evaluation.evaluate import measure
from retina.evaluation.predictions import Predictions, predictions_table, write_predictions
from retina.models.checkpoint_folder import read_config
from retina.models.config import StartedFrom
from retina.reporting.model_card import model_card
from retina.reporting.model_figures import model_figures
from retina.reporting.model_table import (
    Column,
    ShownModel,
    model_table,
    read_shown_model,
    shown_models,
    why_the_lab_differs,
)
from retina.reporting.runs import LAB_TESTED_ON
from tests.reporting.runs import GRADES, answers, write_run
from tests.reporting.test_model_card import figures

TEMPERATURE = 1.0
THRESHOLD = 0.5
DISTILLED = StartedFrom("file", "a distilled network", "ab" * 32)


def given_answers(skill: float = 0.7) -> Predictions:
    names = [f"eye{number}" for number in range(len(GRADES))]
    return Predictions.from_logits(np.log(answers(skill)), TEMPERATURE, GRADES, names)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that lacks nothing; to be read only."""
    given = given_answers()
    metrics = measure(given, THRESHOLD)
    folder = write_run(tmp_path_factory.mktemp("whole"), metrics=metrics)
    write_predictions(
        folder / "predictions.csv", predictions_table(pd.Series(given.patients), given)
    )
    (folder / "evaluations").mkdir()
    (folder / "evaluations" / "elsewhere.json").write_text(
        json.dumps({**metrics, "n": 480, "by_patient": True})
    )
    (folder / "model.safetensors").write_bytes(bytes(2_340_000))
    return folder


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    folder = tmp_path / whole.name
    for file in whole.rglob("*"):
        if file.is_file():
            target = folder / file.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return folder


def column(columns: list[Column], name: str, group: str = "") -> Column:
    (found,) = [each for each in columns if each.name == name and each.group.startswith(group)]
    return found


def test_a_whole_folder_has_no_gap(whole: Path) -> None:
    model = read_shown_model(whole)
    assert model.gaps == ()
    assert model.name == "resnet18-scratch"
    assert model.answers is not None
    assert model.answers.grades.tolist() == GRADES.tolist()
    assert [*model.evaluations] == ["elsewhere"]
    assert model.megabytes == pytest.approx(2.34)


@pytest.mark.parametrize(
    ("file", "content", "sentence", "figures"),
    [
        ("history.csv", None, "There is no history.csv", {"matrix", "reliability", "roc"}),
        ("history.csv", "epoch\n", "history.csv must have", {"matrix", "reliability", "roc"}),
        ("predictions.csv", None, "There is no predictions.csv", {"trend", "matrix"}),
        ("predictions.csv", "name\n", "predictions.csv of", {"trend", "matrix"}),
        ("metrics.json", None, "It has not been evaluated", {"trend"}),
        ("metrics.json", '{"n": 5}', "confusion_matrix: Field required", {"trend"}),
        ("evaluations/elsewhere.json", "[]", "elsewhere.json cannot be used, it: Input", "all"),
    ],
)
def test_what_is_missing_or_broken_is_said_and_hides_nothing_else(
    copied: Path, file: str, content: str | None, sentence: str, figures: set[str] | str
) -> None:
    if content is None:
        (copied / file).unlink()
    else:
        (copied / file).write_text(content)
    model = read_shown_model(copied)
    (gap,) = model.gaps
    assert sentence in gap
    assert str(copied.parent) not in gap
    expected = {"trend", "matrix", "reliability", "roc"} if figures == "all" else figures
    assert {figure.name for figure in model_figures(model)} == expected
    assert model_table([model])


def test_answers_that_are_not_those_of_the_figures_are_not_drawn(copied: Path) -> None:
    other = given_answers(skill=0.2)
    write_predictions(
        copied / "predictions.csv", predictions_table(pd.Series(other.patients), other)
    )
    model = read_shown_model(copied)
    assert model.answers is None
    assert "do not match" in model.gaps[0]


def test_a_broken_checkpoint_hides_no_other(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert [model.name for model in shown_models([tmp_path, whole])] == ["resnet18-scratch"]


def test_resnets_come_first_scratch_before_pretrained(tmp_path: Path) -> None:
    lite = write_run(tmp_path, "efficientnet_lite0-pretrained", architecture="efficientnet_lite0")
    deep = write_run(tmp_path, "resnet50-scratch", architecture="resnet50")
    pretrained, scratch = write_run(tmp_path, "resnet18-pretrained"), write_run(tmp_path)
    names = [model.name for model in shown_models([lite, deep, pretrained, scratch])]
    assert names == [scratch.name, pretrained.name, deep.name, lite.name]


def test_the_table_holds_the_figures(whole: Path, tmp_path: Path) -> None:
    taught = {"start": "pretrained", "teacher": {"name": "efficientnet_lite0-pretrained"}}
    other = write_run(tmp_path, "resnet18-taught", initial=DISTILLED, training=taught)
    (other / "metrics.json").unlink()
    model = read_shown_model(whole)
    columns = model_table([model, read_shown_model(other)])
    given = model.run.metrics
    accuracy = column(columns, "Model", "Accuracy")
    value = given["accuracy"]
    assert accuracy.cells[0].text == f"{value['value']:.1%}"
    assert accuracy.cells[0].bounds == f"{value['low']:.1%}–{value['high']:.1%}"
    assert column(columns, "Majority baseline", "Accuracy").cells[0].text == "51.4%"
    recall = recall_score(GRADES, given_answers().predicted, average=None)
    for grade, label in enumerate(("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")):
        cell = column(columns, label).cells[0]
        assert cell.text == f"{recall[grade]:.2f}"
        assert cell.share == pytest.approx(recall[grade])
    area = f"{roc_auc_score(GRADES >= 2, given_answers().probability[:, 2:].sum(axis=1)):.3f}"
    assert column(columns, "AUROC", "Referable").cells[0].text == area
    assert column(columns, "AUROC", "On elsewhere, 480 patients").cells[0].text == area
    assert column(columns, "Tested on").cells[0].text == "701 photographs of aptos2019"
    assert column(columns, "File size").cells[0].text == "2.3 MB"
    assert [cell.text for cell in column(columns, "Started from").cells] == [
        "random weights",
        "a distilled network, not from ImageNet; taught by efficientnet_lite0-pretrained",
    ]
    unknown = {each.cells[1].text for each in columns if not each.is_text}
    assert unknown == {"–"}


def test_a_rebuilt_start_is_called_so(tmp_path: Path) -> None:
    rebuilt = StartedFrom("imagenet-compressed", "them @ 53a30bad", "ab" * 32, "non-commercial")
    run = write_run(tmp_path, "resnet18-pretrained", initial=rebuilt)
    (cell,) = column(model_table([read_shown_model(run)]), "Started from").cells
    assert cell.text == "ImageNet (compressed, then rebuilt)"
    card = model_card(read_config(run), figures())
    assert "| started from | ImageNet (compressed, then rebuilt): them @ 53a30bad (SHA" in card
    assert "| terms of these weights | non-commercial |" in card
    assert "not from ImageNet" not in card


def test_patients_shared_with_training_stand_beside_the_test_part(whole: Path) -> None:
    model = read_shown_model(whole)
    data = replace(model.run.config.data, shared_patients=0.8)
    run = replace(model.run, config=replace(model.run.config, data=data))
    (cell,) = column(model_table([replace(model, run=run)]), "Tested on").cells
    assert "80% of a patient it was trained on" in cell.text


def test_why_the_lab_differs_names_data_size_and_start(whole: Path, tmp_path: Path) -> None:
    pretrained = read_shown_model(write_run(tmp_path, "resnet18-pretrained", initial=DISTILLED))
    sentence = why_the_lab_differs([read_shown_model(whole).run, pretrained.run])
    assert f"tested on {LAB_TESTED_ON:,}" in sentence
    assert "aptos2019 at 224 px" in sentence
    assert "resnet18-pretrained did not start from torchvision’s ImageNet" in sentence


def test_the_figures_say_in_words_what_they_show(whole: Path) -> None:
    model: ShownModel = read_shown_model(whole)
    figures = {figure.name: figure for figure in model_figures(model)}
    assert [*figures] == ["trend", "matrix", "reliability", "roc"]
    given = given_answers()
    right = (given.predicted == GRADES).mean()
    assert "validation chose epoch 8" in figures["trend"].description
    recall = recall_score(GRADES, given.predicted, average=None)
    assert f"Mild {recall[1]:.0%}, of 67" in figures["matrix"].description
    assert f"accuracy {right:.1%}" in figures["reliability"].description
    area = roc_auc_score(GRADES >= 2, given.probability[:, 2:].sum(axis=1))
    assert f"AUROC {area:.3f} (" in figures["roc"].description
    for figure in figures.values():
        assert figure.light.startswith(b"\x89PNG")
        assert figure.dark.startswith(b"\x89PNG")
        assert figure.light != figure.dark


def test_figures_that_hold_only_counts_give_a_matrix(copied: Path) -> None:
    metrics = json.loads((copied / "metrics.json").read_text())
    kept = {name: metrics[name] for name in ("n", "confusion_matrix")}
    (copied / "metrics.json").write_text(json.dumps({**kept, "recall": 3}))
    model = read_shown_model(copied)
    assert {figure.name for figure in model_figures(model)} == {"trend", "matrix"}
    assert column(model_table([model]), "AUROC", "Referable").cells[0].text == "–"
