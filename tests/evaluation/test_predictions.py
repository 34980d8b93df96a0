from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retina.errors import CheckpointError
from retina.evaluation.calibration import probabilities, referable_probability
from retina.evaluation.predictions import (
    Predictions,
    predictions_table,
    read_predictions,
    write_predictions,
)


def some_answers(count: int = 40, seed: int = 0, patients: list[str] | None = None) -> Predictions:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 5))
    names = patients or [str(number // 2) for number in range(count)]
    return Predictions.from_logits(logits, 1.6, random.integers(0, 5, count), names)


def test_logits_become_probabilities_at_both_temperatures() -> None:
    logits = np.random.default_rng(1).normal(0, 2, (6, 5))
    given = Predictions.from_logits(logits, 2.0, [0, 1, 2, 3, 4, 0], list("abcdef"))
    np.testing.assert_array_equal(given.probability, probabilities(logits, 2.0))
    np.testing.assert_array_equal(given.uncalibrated, probabilities(logits))
    assert given.predicted.tolist() == logits.argmax(axis=1).tolist()


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(CheckpointError):
        Predictions.from_logits([[np.nan, 0, 0, 0, 0]], 1.0, [0], ["a"])


def test_the_worse_eye_counts_in_truth_answer_and_every_cumulative_probability() -> None:
    pictures = some_answers()
    patients = pictures.by_patient()
    assert patients.patients.tolist() == sorted({str(number) for number in range(20)})
    for place, name in enumerate(patients.patients):
        eyes = np.flatnonzero(pictures.patients == name)
        assert len(eyes) == 2
        assert patients.grades[place] == max(pictures.grades[eyes])
        assert patients.predicted[place] == max(pictures.predicted[eyes])
        for grade in range(5):
            at_least = [pictures.probability[eye, grade:].sum() for eye in eyes]
            assert patients.probability[place, grade:].sum() == pytest.approx(max(at_least))
            at_least = [pictures.uncalibrated[eye, grade:].sum() for eye in eyes]
            assert patients.uncalibrated[place, grade:].sum() == pytest.approx(max(at_least))
    assert (patients.probability > -1e-12).all()
    np.testing.assert_allclose(patients.probability.sum(axis=1), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_a_patient_is_referred_exactly_where_an_eye_is(threshold: float) -> None:
    pictures = some_answers(seed=2)
    patients = pictures.by_patient()
    referred = referable_probability(pictures.probability) >= threshold
    for name, score in zip(
        patients.patients, referable_probability(patients.probability), strict=True
    ):
        assert (score >= threshold) == referred[pictures.patients == name].any()


def test_a_single_eye_stays_as_it_is_and_the_order_of_pictures_does_not_matter() -> None:
    names = ["b", "a", "c", "a"]
    pictures = some_answers(4, seed=3, patients=names)
    patients = pictures.by_patient()
    assert patients.patients.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(patients.probability[1], pictures.probability[0], atol=1e-12)
    turned = pictures.where(np.array([True] * 4))
    backwards = Predictions(
        turned.grades[::-1],
        turned.predicted[::-1],
        turned.probability[::-1],
        turned.uncalibrated[::-1],
        turned.patients[::-1],
    ).by_patient()
    np.testing.assert_array_equal(backwards.probability, patients.probability)
    assert backwards.grades.tolist() == patients.grades.tolist()


def test_the_pictures_left_keep_their_answers() -> None:
    pictures = some_answers(6)
    left = pictures.where(np.array([True, False, True, False, False, True]))
    assert left.patients.tolist() == pictures.patients[[0, 2, 5]].tolist()
    np.testing.assert_array_equal(left.probability, pictures.probability[[0, 2, 5]])
    assert left.grades.tolist() == pictures.grades[[0, 2, 5]].tolist()


TEMPERATURE = 1.7
NAMES = pd.Series(["007", "12_left", "12_right", "True"])


@pytest.fixture
def answers() -> Predictions:
    random = np.random.default_rng(3)
    logits = random.normal(0, 3, (4, 5))
    logits[3] = [2000, 0, 0, 0, 0]  # as sure as a float can be
    return Predictions.from_logits(logits, TEMPERATURE, [0, 1, 2, 4], ["007", "12", "12", "True"])


def test_what_was_written_is_read_again(answers: Predictions, tmp_path: Path) -> None:
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


def test_a_source_keeps_patients_of_one_name_apart(answers: Predictions, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    names = pd.Series(["10_left", "10_right", "10_left", "10_right"])
    table = predictions_table(names, answers, pd.Series(["a", "a", "b", "=b"]))
    write_predictions(file, table)
    assert file.read_text(encoding="utf-8").splitlines()[0].endswith(",p4,source")
    patients = read_predictions(file, TEMPERATURE).patients.tolist()
    assert patients[0] == patients[1]
    assert len(set(patients)) == 3


def test_no_name_of_a_photograph_runs_as_a_formula(answers: Predictions, tmp_path: Path) -> None:
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
