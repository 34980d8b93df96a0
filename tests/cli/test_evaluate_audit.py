"""``retina evaluate --audit-log``; scikit-learn says what the figures are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    recall_score,
    roc_auc_score,
)

from retina.inference.audit_log import AuditLog
from retina.inference.verdicts import read_log, verdicts_csv
from retina.models.checkpoint_folder import read_config
from tests.cli.shell import Answer, retina
from tests.inference.assessments import NAME, THRESHOLD, drawn

Shell = pytest.CaptureFixture[str]
COUNT = 50


@pytest.fixture
def log(checkpoints: Path, tmp_path: Path) -> Path:
    """50 verdicts, most of which agree, among assessments and verdicts on another model."""
    sha256 = read_config(checkpoints / "small").weights_sha256
    log = AuditLog(tmp_path / "audit.jsonl")
    random = np.random.default_rng(4)
    for number, assessment in enumerate(drawn(COUNT, sha256=sha256)):
        log.assessed(assessment)
        log.judged(assessment, 4)  # A slip, mended by the next.
        log.judged(assessment, assessment.grade if random.random() < 0.6 else number % 5)
    for assessment in drawn(7, seed=1, sha256="b" * 64):
        log.judged(assessment, 0)
    return log.file


def evaluate(capsys: Shell, checkpoints: Path, file: Path, *arguments: str | Path) -> Answer:
    flags = ("--model", "small", "--checkpoints", checkpoints, "--audit-log", file)
    return retina(capsys, "evaluate", *flags, *arguments)


def value(figure: Any) -> Any:
    return figure["value"] if isinstance(figure, dict) else figure


def test_50_verdicts_give_the_figures_of_scikit_learn(
    capsys: Shell, checkpoints: Path, log: Path
) -> None:
    answer = evaluate(capsys, checkpoints, log, "--json")
    assert answer.status == 0
    metrics = json.loads(answer.out)
    # Read with nothing of ours: the last verdict on each photograph, as the log has it.
    said = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["kind"] == "verdict" and record["model_sha256"] != "b" * 64:
            said[record["image_sha256"]] = record
    truth = [record["verdict"]["grade"] for record in said.values()]
    predicted = [record["result"]["grade"] for record in said.values()]
    probability = np.array([record["result"]["probabilities"] for record in said.values()])
    referable, score = np.array(truth) >= 2, probability[:, 2:].sum(axis=1)
    assert metrics["n"] == len(truth) == COUNT
    assert set(truth) == set(range(5))
    assert metrics["confusion_matrix"] == confusion_matrix(truth, predicted).tolist()
    kappa = cohen_kappa_score(truth, predicted, weights="quadratic")
    for name, expected in {
        "accuracy": accuracy_score(truth, predicted),
        "balanced_accuracy": balanced_accuracy_score(truth, predicted),
        "quadratic_weighted_kappa": kappa,
        "macro_f1": f1_score(truth, predicted, average="macro"),
    }.items():
        assert metrics[name]["low"] < metrics[name]["value"] < metrics[name]["high"]
        assert metrics[name]["value"] == pytest.approx(expected), name
    found = metrics["referable"]
    assert found["threshold"] == THRESHOLD
    called = score >= THRESHOLD
    assert value(found["auroc"]) == pytest.approx(roc_auc_score(referable, score))
    assert value(found["sensitivity"]) == pytest.approx(recall_score(referable, called))
    assert value(found["specificity"]) == pytest.approx(recall_score(~referable, ~called))
    for grade in range(5):
        area = roc_auc_score(np.array(truth) == grade, probability[:, grade])
        assert value(metrics["auroc"][grade]) == pytest.approx(area)
    assert metrics["reference"] == "verdicts of clinicians who had seen the model's answer"
    assert metrics["verdicts"]["agreed"] == np.trace(metrics["confusion_matrix"])
    assert metrics["verdicts"]["lines_of_other_weights"] == 7


def test_the_downloaded_csv_gives_the_same_figures(
    capsys: Shell, checkpoints: Path, log: Path, tmp_path: Path
) -> None:
    file = tmp_path / "audit.csv"
    file.write_text(verdicts_csv(read_log(log).entries), encoding="utf-8")
    of_log = json.loads(evaluate(capsys, checkpoints, log, "--json").out)
    assert json.loads(evaluate(capsys, checkpoints, file, "--json").out) == of_log


def test_what_the_figures_are_is_said(capsys: Shell, checkpoints: Path, log: Path) -> None:
    answer = evaluate(capsys, checkpoints, log)
    assert answer.status == 0
    assert "reference                               verdicts of clinicians who" in answer.out
    assert "warning: these figures rest on verdicts of clinicians who had seen" in answer.err
    assert "warning: 50 verdicts are few" in answer.err
    assert "warning: 7 lines are of other weights" in answer.err


def test_predictions_and_figures_are_written(
    capsys: Shell, checkpoints: Path, log: Path, tmp_path: Path
) -> None:
    file, folder = tmp_path / "predictions.csv", tmp_path / "figures"
    answer = evaluate(capsys, checkpoints, log, "--predictions", file, "--figures", folder)
    assert answer.status == 0
    table = pd.read_csv(file)
    assert list(table) == ["image_id", "grade", "predicted", *(f"p{grade}" for grade in range(5))]
    assert len(table) == COUNT
    assert NAME not in file.read_text(encoding="utf-8")
    names = {"confusion-matrix.png", "reliability.png", "roc.png"}
    assert {figure.name for figure in folder.iterdir()} == names


@pytest.mark.parametrize("flags", [("--split", "test"), ("--by-patient",), ("--tta",)])
def test_what_needs_photographs_is_refused(
    capsys: Shell, checkpoints: Path, log: Path, flags: tuple[str, ...]
) -> None:
    answer = evaluate(capsys, checkpoints, log, *flags)
    assert (answer.status, answer.out) == (2, "")
    assert answer.errors[0].startswith(f"{flags[0]} cannot be used with --audit-log")


def test_photographs_or_a_log_but_not_both(capsys: Shell, checkpoints: Path, log: Path) -> None:
    both = evaluate(capsys, checkpoints, log, "--data", "synthetic")
    neither = retina(capsys, "evaluate", "--model", "small", "--checkpoints", checkpoints)
    for answer in (both, neither):
        assert (answer.status, answer.out) == (2, "")
        assert "--data" in answer.errors[0]
        assert "--audit-log" in answer.errors[0]


@pytest.mark.parametrize("content", [None, "", "image_id,grade\na,1\n"])
def test_a_log_without_verdicts_is_one_sentence(
    capsys: Shell, checkpoints: Path, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "audit.jsonl"
    if content is not None:
        file.write_text(content)
    answer = evaluate(capsys, checkpoints, file, "--json")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.count("\n") == len(answer.errors) == 1
