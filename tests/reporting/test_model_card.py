import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard

from retina.datasets.splits import write_split
from retina.errors import CheckpointError
from retina.evaluation.evaluate import measure
from retina.evaluation.predictions import Predictions
from retina.files import write_json
from retina.models.checkpoint_folder import list_checkpoints, read_config
from retina.models.config import DataSource, StartedFrom
from retina.reporting.model_card import drop_elsewhere, model_card, shortcomings, write_model_card
from tests.checkpoints import small_config

ROOT = Path(__file__).resolve().parents[2]
SEEN = {"trained_on": 0, "chosen_on": 0, "familiar_patients": 0}


def figures(seed: int = 0, highest: int = 4, **fields: Any) -> dict[str, Any]:
    """What ``evaluate`` gives, for made-up answers to 80 photographs."""
    random = np.random.default_rng(seed)
    grades = random.integers(0, highest + 1, 80)
    logits = random.normal(0, 1, (80, 5))
    logits[np.arange(80), grades] += 2
    given = Predictions.from_logits(logits, 1.3, grades, [str(number) for number in range(80)])
    metrics = measure(given, 0.4)
    gate = {"refused": 0, "refused_share": 0.0, "without_refused": None}
    told = {"by_patient": False, "photographs": 80, "overlap": SEEN, "quality_gate": gate}
    return {**metrics, **told, **fields}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint's folder without its weights."""
    training = {
        "start": "scratch",
        "recipe": "lab",
        "epochs": 8,
        "augmentation": True,
        "teacher": None,
        "best_epoch": 7,
        "best_validation_kappa": 0.7591,
    }
    folder = tmp_path / "small"
    write_json(folder / "config.json", small_config(training=training).to_json())
    write_json(folder / "metrics.json", figures())
    table = pd.DataFrame({"image_id": [f"eye{number}" for number in range(10)]})
    parts = pd.Series(["train"] * 7 + ["validation"] + ["test"] * 2)
    write_split(folder / "split.csv", table, parts)
    return folder


def card(folder: Path) -> str:
    write_model_card(folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def shown(metric: dict[str, float]) -> str:
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"


def test_the_hub_reads_its_head(folder: Path) -> None:
    write_json(folder / "evaluations" / "eyepacs-960.json", figures(seed=1))
    data: Any = ModelCard(card(folder)).data
    assert data.license == "other"
    assert {"medical", "resnet18"} <= set(data.tags)
    metrics = json.loads((folder / "metrics.json").read_text())
    found = {(each.dataset_name, each.metric_type): each.metric_value for each in data.eval_results}
    kappa = metrics["quadratic_weighted_kappa"]["value"]
    assert found["drawn, test split", "quadratic_weighted_kappa"] == kappa
    assert found["drawn, test split", "roc_auc"] == metrics["referable"]["auroc"]["value"]
    assert found["eyepacs-960", "accuracy"] == figures(seed=1)["accuracy"]["value"]


def test_every_figure_stands_in_it_with_its_interval(folder: Path) -> None:
    text, metrics = card(folder), figures()
    for name in ("accuracy", "quadratic_weighted_kappa", "balanced_accuracy", "macro_f1"):
        assert shown(metrics[name]) in text
    for name in ("recall", "precision", "auroc", "auprc"):
        for each in metrics[name]:
            assert shown(each) in text
    referable = metrics["referable"]
    for name in ("sensitivity", "specificity", "auroc", "positive_predictive_value"):
        assert shown(referable[name]) in text
    assert f"at a prevalence of {referable['prevalence']:.3f}" in text
    calibration = metrics["before_temperature"]
    assert f"| {shown(calibration['ece'])} | {shown(metrics['ece'])} |" in text
    assert f"| {shown(calibration['brier'])} | {shown(metrics['brier'])} |" in text


def test_it_says_where_the_model_comes_from_and_what_it_is_not_for(folder: Path) -> None:
    text = card(folder)
    assert "He initialisation" in text
    assert "| terms of the photographs | none |" in text
    assert "7 for training, 1 for validation, 2 for testing" in text
    assert "| recipe | lab |" in text
    assert "| augmentation | yes |" in text
    assert "teacher" not in text
    assert "The epoch (7, with a quadratic weighted kappa of 0.759)" in text
    assert "(by hand, on validation)" in text
    assert "not for diagnosis or any clinical decision" in text
    assert "are not assessed" in text
    assert "not from ImageNet" not in text


def test_weights_that_are_not_imagenets_are_called_so(folder: Path) -> None:
    config = replace(
        read_config(folder),
        training={"start": "pretrained"},
        initial_weights=StartedFrom("file", "mine.pth", "ab" * 32),
    )
    text = model_card(config, figures())
    assert "mine.pth, **not from ImageNet** (SHA-256 `abab" in text


def test_no_text_from_outside_leaves_its_cell_or_is_html(folder: Path) -> None:
    acts = "a | b\n\n# No\n<img src=x onerror=alert(1)>"
    config = replace(
        read_config(folder),
        training={"teacher": acts},
        initial_weights=StartedFrom("file", acts, None),
        data=DataSource(acts, 80, "", acts),
    )
    text = model_card(config, figures(), {acts: figures(seed=1)})
    body = text.partition("\n---\n")[2]
    assert "<img" not in body
    assert body.count("a \\| b # No &lt;img src=x onerror=alert(1)&gt;") >= 5
    data: Any = ModelCard(text).data
    assert {each.dataset_name for each in data.eval_results} == {f"{acts}, test split", acts}


def test_a_split_that_shares_patients_is_said_beside_the_figures(folder: Path) -> None:
    seen = {"trained_on": 0, "chosen_on": 0, "familiar_patients": 64}
    text = model_card(read_config(folder), figures(overlap=seen))
    assert "**80 % of the test photographs belong to a patient who also has one" in text
    assert "known to have a photograph" not in text
    assert "known to have a photograph" in card(folder)


def test_other_sets_have_their_row_and_their_failures(folder: Path) -> None:
    assert "None yet." in card(folder)
    away = figures(seed=2, highest=1, by_patient=True)
    write_json(folder / "evaluations" / "camera.json", away)
    text = card(folder)
    assert f"| camera | 80 patients | {shown(away['quadratic_weighted_kappa'])} |" in text
    assert "On camera:" in text
    assert "- There are no patients of grade Moderate, Severe or Proliferative DR here" in text
    assert "undefined" in text
    assert "nan" not in text.lower()


def test_what_the_gate_refuses_is_told(folder: Path) -> None:
    without = {name: figures(3)[name] for name in ("accuracy", "quadratic_weighted_kappa")}
    gate = {"refused": 8, "refused_share": 0.1, "without_refused": without}
    text = model_card(read_config(folder), figures(quality_gate=gate))
    assert "would reject 8 of the 80 photographs; without them kappa is" in text
    assert shown(without["accuracy"]) in text


def test_no_line_is_left_that_a_table_does_not_need(folder: Path) -> None:
    text = card(folder)
    assert "{{" not in text
    assert "{%" not in text
    assert "\n\n\n" not in text
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, block


@pytest.mark.parametrize("missing", ["overlap", "before_temperature", "auprc"])
def test_figures_of_an_older_version_are_one_clear_error(folder: Path, missing: str) -> None:
    metrics = {name: value for name, value in figures().items() if name != missing}
    with pytest.raises(CheckpointError, match="write it again with"):
        write_model_card(folder, metrics)


def test_a_folder_without_figures_or_with_broken_ones_is_refused(folder: Path) -> None:
    (folder / "evaluations").mkdir()
    (folder / "evaluations" / "half.json").write_text('{"n": ')
    with pytest.raises(CheckpointError, match=r"half\.json cannot be read"):
        write_model_card(folder)
    (folder / "metrics.json").unlink()
    with pytest.raises(CheckpointError, match=r"no metrics\.json"):
        write_model_card(folder)


@pytest.mark.parametrize("name", list_checkpoints(ROOT / "checkpoints"))
def test_the_cards_that_are_shipped_are_what_their_folders_give(name: str, tmp_path: Path) -> None:
    shipped = ROOT / "checkpoints" / name
    leave = shutil.ignore_patterns("*.safetensors", "README.md")
    shutil.copytree(shipped, tmp_path / name, ignore=leave)
    assert card(tmp_path / name) == (shipped / "README.md").read_text(encoding="utf-8")


def test_sources_stand_in_it_with_their_terms_and_figures(folder: Path) -> None:
    of_one, of_two = figures(seed=2), figures(seed=3)
    write_json(folder / "metrics.json", figures(sources={"one": of_one, "two": of_two}))
    sources = tuple(DataSource(name, 40, "0" * 64, f"terms of {name}") for name in ("one", "two"))
    data = DataSource("one + two", 80, "0" * 64, "both", sources=sources)
    write_json(folder / "config.json", small_config(data=data).to_json())
    text = card(folder)
    for name, found in (("one", of_one), ("two", of_two)):
        assert f"| photographs | {name}, 40 without duplicates |" in text
        assert f"| terms of the photographs | terms of {name} |" in text
        assert f"| {name} | 80 | {shown(found['quadratic_weighted_kappa'])} |" in text
    assert read_config(folder).data == data


def test_it_says_what_the_threshold_comes_to_elsewhere(folder: Path) -> None:
    found = figures(seed=1)
    found["referable"]["sensitivity"]["value"] = 0.744
    found["referable"]["specificity"]["value"] = 0.879
    write_json(folder / "evaluations" / "messidor2.json", found)
    text = " ".join(card(folder).split())
    assert (
        "- messidor2: of 100 who need referral it refers 74, and of 100 who do not, 12."
    ) in text


NOTHING_SEEN = {"trained_on": 0, "chosen_on": 0, "familiar_patients": 0}


def figures_of(matrix: list[list[int]], **fields: Any) -> dict[str, Any]:
    """What ``evaluate`` would give for sure answers with these counts."""
    counts = np.array(matrix)
    grades, predicted = (np.repeat(each.ravel(), counts.ravel()) for each in np.indices((5, 5)))
    sure = np.eye(5)[predicted]
    names = np.array([str(number) for number in range(len(grades))])
    metrics = measure(Predictions(grades, predicted, sure, sure, names), 0.5)
    told = {"by_patient": False, "photographs": len(grades), "overlap": NOTHING_SEEN}
    return {**metrics, **told, **fields}


FAULTLESS = np.diag([20, 5, 10, 4, 4]).tolist()


def test_a_faultless_model_has_none() -> None:
    assert shortcomings(figures_of(FAULTLESS)) == []


def test_a_grade_that_is_rarely_found_is_named_with_what_is_answered_instead() -> None:
    matrix = [[20, 0, 0, 0, 0], [2, 1, 6, 0, 0], [0, 0, 9, 0, 0], [0, 0, 5, 0, 0], [0, 0, 3, 0, 5]]
    sentences = shortcomings(figures_of(matrix))
    assert sentences == [
        "Of 9 photographs of grade Mild it recognises 1; it calls 67% of them Moderate.",
        "Of 5 photographs of grade Severe it recognises none; it calls 100% of them Moderate.",
        "It never predicts Severe here.",
    ]


def test_what_is_not_referred_is_counted_by_grade() -> None:
    matrix = [[20, 0, 0, 0, 0], [0, 5, 0, 0, 0], [1, 0, 9, 0, 0], [1, 1, 0, 6, 0], [0, 0, 0, 0, 4]]
    (sentence,) = shortcomings(figures_of(matrix, by_patient=True))
    assert sentence == (
        "At its operating point it does not refer 25% of the 8 patients of grade Severe."
    )


def test_a_model_that_is_no_better_than_always_answering_the_same_is_told_so() -> None:
    matrix = np.zeros((5, 5), dtype=int)
    matrix[:, 0] = [20, 3, 4, 2, 1]
    sentences = shortcomings(figures_of(matrix.tolist()))
    assert "Its accuracy, 0.667, is not above the 0.667 of always predicting" in sentences[0]
    assert "It never predicts Mild, Moderate, Severe or Proliferative DR here." in sentences


def test_a_grade_that_the_set_does_not_hold_is_named() -> None:
    matrix = np.diag([20, 5, 10, 0, 4]).tolist()
    assert shortcomings(figures_of(matrix))[-1] == (
        "There are no photographs of grade Severe here to test it on."
    )


def test_what_it_has_seen_comes_first() -> None:
    seen = {"trained_on": 12, "chosen_on": 3, "familiar_patients": 20}
    first, second = shortcomings(figures_of(FAULTLESS, overlap=seen, photographs=43))
    assert "trained on 12 of these 43 photographs and validated on 3" in first
    assert "47% of these photographs belong to a patient" in second


HOME = {"value": 0.72, "low": 0.7, "high": 0.75}


@pytest.mark.parametrize(
    ("away", "told"),
    [
        (None, None),
        ({"value": 0.9, "low": 0.8, "high": 0.95}, None),
        ({"value": 0.5, "low": 0.2, "high": 0.71}, None),  # so few that it may be as good
        (0.6, "0.600"),
        ({"value": -0.02, "low": -0.1, "high": 0.06}, "−0.020 (−0.100 to 0.060)"),
    ],
)
def test_a_fall_elsewhere_is_told_where_the_intervals_are_apart(
    away: object, told: str | None
) -> None:
    sentences = drop_elsewhere(
        {"quadratic_weighted_kappa": HOME}, {"quadratic_weighted_kappa": away}
    )
    home = "on its own test split it is 0.720 (0.700 to 0.750)."
    expected = f"Its quadratic weighted kappa is {told}; {home}"
    assert sentences == ([] if told is None else [expected])


def test_of_few_photographs_no_share_is_told() -> None:
    matrix = [[20, 0, 0, 0, 0], [0, 5, 0, 0, 0], [0, 0, 9, 0, 0], [4, 0, 0, 0, 0], [0, 0, 0, 0, 9]]
    assert shortcomings(figures_of(matrix)) == ["It never predicts Severe here."]
