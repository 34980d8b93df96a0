import numpy as np
import pytest

from retina.errors import CheckpointError
from retina.evaluation.answers import Answers
from retina.evaluation.calibration import probabilities
from retina.evaluation.operating_point import referable_probability


def answers(count: int = 40, seed: int = 0, patients: list[str] | None = None) -> Answers:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, 5))
    names = patients or [str(number // 2) for number in range(count)]
    return Answers.from_logits(logits, 1.6, random.integers(0, 5, count), names)


def test_logits_become_probabilities_at_both_temperatures() -> None:
    logits = np.random.default_rng(1).normal(0, 2, (6, 5))
    given = Answers.from_logits(logits, 2.0, [0, 1, 2, 3, 4, 0], list("abcdef"))
    np.testing.assert_array_equal(given.probability, probabilities(logits, 2.0))
    np.testing.assert_array_equal(given.uncalibrated, probabilities(logits))
    assert given.predicted.tolist() == logits.argmax(axis=1).tolist()


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(CheckpointError):
        Answers.from_logits([[np.nan, 0, 0, 0, 0]], 1.0, [0], ["a"])


def test_the_worse_eye_counts_in_truth_answer_and_every_cumulative_probability() -> None:
    pictures = answers()
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
    pictures = answers(seed=2)
    patients = pictures.by_patient()
    referred = referable_probability(pictures.probability) >= threshold
    for name, score in zip(
        patients.patients, referable_probability(patients.probability), strict=True
    ):
        assert (score >= threshold) == referred[pictures.patients == name].any()


def test_a_single_eye_stays_as_it_is_and_the_order_of_pictures_does_not_matter() -> None:
    names = ["b", "a", "c", "a"]
    pictures = answers(4, seed=3, patients=names)
    patients = pictures.by_patient()
    assert patients.patients.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(patients.probability[1], pictures.probability[0], atol=1e-12)
    turned = pictures.where(np.array([True] * 4))
    backwards = Answers(
        turned.grades[::-1],
        turned.predicted[::-1],
        turned.probability[::-1],
        turned.uncalibrated[::-1],
        turned.patients[::-1],
    ).by_patient()
    np.testing.assert_array_equal(backwards.probability, patients.probability)
    assert backwards.grades.tolist() == patients.grades.tolist()


def test_the_pictures_left_keep_their_answers() -> None:
    pictures = answers(6)
    left = pictures.where(np.array([True, False, True, False, False, True]))
    assert left.patients.tolist() == pictures.patients[[0, 2, 5]].tolist()
    np.testing.assert_array_equal(left.probability, pictures.probability[[0, 2, 5]])
    assert left.grades.tolist() == pictures.grades[[0, 2, 5]].tolist()
