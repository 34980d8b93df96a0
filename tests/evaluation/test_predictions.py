from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retina.errors import CheckpointError
from retina.evaluation.answers import Answers
from retina.evaluation.predictions import predictions_table, read_predictions, write_predictions

TEMPERATURE = 1.7
NAMES = pd.Series(["007", "12_left", "12_right", "True"])


@pytest.fixture
def answers() -> Answers:
    random = np.random.default_rng(3)
    logits = random.normal(0, 3, (4, 5))
    logits[3] = [2000, 0, 0, 0, 0]  # as sure as a float can be
    return Answers.from_logits(logits, TEMPERATURE, [0, 1, 2, 4], ["007", "12", "12", "True"])


def test_what_was_written_is_read_again(answers: Answers, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    write_predictions(file, predictions_table(NAMES, answers))
    header, first, *_ = file.read_text(encoding="utf-8").splitlines()
    assert header == "image_id,grade,predicted,p0,p1,p2,p3,p4"
    assert first.startswith("007,0,")
    found = read_predictions(file, TEMPERATURE)
    assert found.grades.tolist() == answers.grades.tolist()
    assert found.predicted.tolist() == answers.predicted.tolist()
    assert found.patients.tolist() == answers.patients.tolist()
    np.testing.assert_allclose(found.probability, answers.probability, rtol=1e-14)
    np.testing.assert_allclose(found.uncalibrated, answers.uncalibrated, rtol=1e-9, atol=1e-12)


def test_a_source_keeps_patients_of_one_name_apart(answers: Answers, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    names = pd.Series(["10_left", "10_right", "10_left", "10_right"])
    table = predictions_table(names, answers, pd.Series(["a", "a", "b", "=b"]))
    write_predictions(file, table)
    assert file.read_text(encoding="utf-8").splitlines()[0].endswith(",p4,source")
    patients = read_predictions(file, TEMPERATURE).patients.tolist()
    assert patients[0] == patients[1]
    assert len(set(patients)) == 3


def test_no_name_of_a_photograph_runs_as_a_formula(answers: Answers, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    names = pd.Series(["=1+1", "@SUM(1)", "12_right", "\t=1"])
    write_predictions(file, predictions_table(names, answers))
    written = pd.read_csv(file, dtype="str")["image_id"].tolist()
    assert written == ["'=1+1", "'@SUM(1)", "12_right", "'\t'=1"]
    found = read_predictions(file, TEMPERATURE)
    assert found.grades.tolist() == answers.grades.tolist()
    assert found.patients.tolist() == ["=1+1", "@SUM(1)", "12", "\t=1"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "image_id,grade,predicted,p0,p1,p2,p3,p4\n",
        "image_id,grade,predicted,p0,p1,p2,p3\na,0,0,1,0,0,0\n",
        "image_id,grade,predicted,p0,p1,p2,p3,p4\na,5,0,1,0,0,0,0\n",
        "image_id,grade,predicted,p0,p1,p2,p3,p4\na,0.5,0,1,0,0,0,0\n",
        "image_id,grade,predicted,p0,p1,p2,p3,p4\na,0,0,1,0.1,0,0,0\n",
        "image_id,grade,predicted,p0,p1,p2,p3,p4\na,0,0,2,-1,0,0,0\n",
        "image_id,grade,predicted,p0,p1,p2,p3,p4\na,0,0,nan,0,0,0,0\n",
        "image_id,grade,predicted,p0,p1,p2,p3,p4\na,mild,0,1,0,0,0,0\n",
        f"image_id,grade,predicted,p0,p1,p2,p3,p4\na,{'9' * 400},0,1,0,0,0,0\n",
        "\0\0\0",
    ],
)
def test_another_file_is_one_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(content)
    with pytest.raises(CheckpointError, match=r"predictions\.csv of .* must have the columns"):
        read_predictions(file, TEMPERATURE)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no readable predictions\.csv"):
        read_predictions(tmp_path / "predictions.csv", TEMPERATURE)
