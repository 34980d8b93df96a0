"""What a model answered to a set of pictures, and how the two eyes of a patient become one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retina.evaluation.calibration import probabilities

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """The answers to N pictures, or to N patients.

    Attributes:
        grades: (N,) int64, the truth.
        predicted: (N,) int64, the grades answered.
        probability: (N, 5) calibrated.
        uncalibrated: (N, 5) at temperature 1.
        patients: (N,) names.
    """

    grades: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    probability: Array
    uncalibrated: Array
    patients: npt.NDArray[np.str_]

    @classmethod
    def from_logits(
        cls,
        logits: npt.ArrayLike,
        temperature: float,
        grades: npt.ArrayLike,
        patients: Sequence[str],
    ) -> "Answers":
        """The answers behind (N, 5) logits.

        Raises:
            CheckpointError: a logit is NaN or infinite.
        """
        calibrated = probabilities(logits, temperature)
        return cls(
            grades=np.asarray(grades, dtype=np.int64),
            predicted=calibrated.argmax(axis=1),
            probability=calibrated,
            uncalibrated=probabilities(logits),
            patients=np.asarray(patients, dtype=np.str_),
        )

    @classmethod
    def from_probabilities(
        cls,
        probability: npt.ArrayLike,
        predicted: npt.ArrayLike,
        temperature: float,
        grades: npt.ArrayLike,
        patients: Sequence[str],
    ) -> "Answers":
        """The answers behind (N, 5) calibrated probabilities that were kept.

        Logits are the temperature times their logarithm, up to a constant.
        """
        calibrated = np.asarray(probability, dtype=np.float64)
        logits = temperature * np.log(np.maximum(calibrated, np.finfo(np.float64).tiny))
        return cls(
            grades=np.asarray(grades, dtype=np.int64),
            predicted=np.asarray(predicted, dtype=np.int64),
            probability=calibrated,
            uncalibrated=probabilities(logits),
            patients=np.asarray(patients, dtype=np.str_),
        )

    def where(self, kept: npt.NDArray[np.bool_]) -> "Answers":
        """The answers to the pictures that (N,) ``kept`` marks."""
        return Answers(
            self.grades[kept],
            self.predicted[kept],
            self.probability[kept],
            self.uncalibrated[kept],
            self.patients[kept],
        )

    def by_patient(self) -> "Answers":
        """One answer a patient, in the order of their names: the worse eye counts.

        - True grade and answered grade are each the highest among the patient's pictures.
        - The probability of "this grade or above" is the highest among them, for every grade. So a
          patient is referred exactly where one of the pictures would be, at the same threshold, and
          the five probabilities still add up to 1. (It is the distribution of the worse grade if
          the eyes err together; were they independent, more pictures would mean more referrals.)
        """
        names, patient = np.unique(self.patients, return_inverse=True)
        return Answers(
            _highest(self.grades, patient, len(names)),
            _highest(self.predicted, patient, len(names)),
            _worse(self.probability, patient, len(names)),
            _worse(self.uncalibrated, patient, len(names)),
            names,
        )


def _highest(
    grades: npt.NDArray[np.int64], patient: npt.NDArray[np.intp], count: int
) -> npt.NDArray[np.int64]:
    highest = np.zeros(count, dtype=np.int64)
    np.maximum.at(highest, patient, grades)
    return highest


def _worse(probability: Array, patient: npt.NDArray[np.intp], count: int) -> Array:
    at_least = np.cumsum(probability[:, ::-1], axis=1)[:, ::-1]
    highest = np.zeros((count, probability.shape[1]))
    np.maximum.at(highest, patient, at_least)
    return np.asarray(highest - np.append(highest[:, 1:], np.zeros((count, 1)), axis=1))
