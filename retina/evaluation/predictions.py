"""Predictions for a set of photographs, by photograph or by patient."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from retina.datasets.catalog import patient_and_eye
from retina.errors import CheckpointError
from retina.evaluation.calibration import Array, probabilities
from retina.files import MAX_TABLE, no_formula, refuse_large, with_formulas, write_text
from retina.scale import NUM_GRADES


@dataclass(frozen=True)
class Predictions:
    """Predictions for N photographs, or for N patients.

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
    ) -> "Predictions":
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
    ) -> "Predictions":
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

    def where(self, kept: npt.NDArray[np.bool_]) -> "Predictions":
        """The answers to the photographs that (N,) ``kept`` marks."""
        return Predictions(
            self.grades[kept],
            self.predicted[kept],
            self.probability[kept],
            self.uncalibrated[kept],
            self.patients[kept],
        )

    def by_patient(self) -> "Predictions":
        """One answer a patient, in the order of their names: the worse eye counts.

        - True grade and answered grade are each the highest among the patient's photographs.
        - The probability of "this grade or above" is the highest among them, for every grade. So a
          patient is referred exactly where one photograph would be, at the same threshold, and the
          five probabilities still add up to 1. (It is the distribution of the worse grade if
          the eyes err together; were they independent, more photographs would mean more referrals.)
        """
        names, patient = np.unique(self.patients, return_inverse=True)
        return Predictions(
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


_PROBABILITIES = [f"p{grade}" for grade in range(NUM_GRADES)]
_COLUMNS = ["image_id", "grade", "predicted", *_PROBABILITIES]


def source_names(rows: pd.DataFrame) -> list[str]:
    """The names of the sources that rows come from, where they are several; else none."""
    names = list(dict.fromkeys(rows["source"])) if "source" in rows else []
    return names if len(names) > 1 else []


def predictions_table(
    image_ids: "pd.Series[str]", answers: Predictions, sources: "pd.Series[str] | None" = None
) -> pd.DataFrame:
    """The answers to N photographs as ``image_id, grade, predicted, p0 ... p4``, and ``source``.

    The last column is there where ``sources`` are given.
    """
    table = pd.DataFrame(answers.probability, columns=_PROBABILITIES)
    table.insert(0, "predicted", answers.predicted)
    table.insert(0, "grade", answers.grades)
    table.insert(0, "image_id", image_ids.to_numpy())
    if sources is not None:
        table["source"] = sources.to_numpy()
    return table


def write_predictions(file: Path, predictions: pd.DataFrame) -> None:
    """Write what ``predictions_table`` gave, atomically; probabilities keep all their digits."""
    texts = [name for name in ("image_id", "source") if name in predictions]
    harmless = predictions.assign(**{name: predictions[name].map(no_formula) for name in texts})
    write_text(file, harmless.to_csv(index=False))


def read_predictions(file: str | os.PathLike[str], temperature: float) -> Predictions:
    """Read what ``write_predictions`` wrote.

    Args:
        file: ``predictions.csv``.
        temperature: The checkpoint's, from which the uncalibrated probabilities follow.

    Returns:
        The answers, in the file's order; patients as far as the photographs' names tell them.

    Raises:
        CheckpointError: the file is missing or is not such a file.
    """
    path = Path(file)
    refuse_large(path, MAX_TABLE, CheckpointError)
    try:
        texts = {"image_id": "str", "source": "str"}
        rows = pd.read_csv(path, dtype=texts, keep_default_na=False, encoding="utf-8")
        names = rows["image_id"].map(with_formulas).tolist()
        patients = [patient_and_eye(name)[0] for name in names]
        if "source" in rows:
            pairs = zip(rows["source"], patients, strict=True)
            patients = [f"{source}/{patient}" for source, patient in pairs]
        grades = rows[["grade", "predicted"]].to_numpy(dtype=np.float64)
        probability = rows[_PROBABILITIES].to_numpy(dtype=np.float64)
    except OSError:
        raise CheckpointError(
            f"{path.parent.name} has no readable {path.name}: write it with `retina evaluate "
            "--predictions`"
        ) from None
    except (ValueError, KeyError, OverflowError):
        raise _unusable(path) from None
    if not (names and _possible(grades, probability)):
        raise _unusable(path)
    return Predictions.from_probabilities(
        probability,
        grades[:, 1],
        temperature,
        grades[:, 0],
        patients,
    )


def _possible(grades: Array, probability: Array) -> bool:
    adds_up = np.allclose(probability.sum(axis=1), 1, rtol=0, atol=1e-6)
    known = np.isin(grades, np.arange(NUM_GRADES)).all()
    return bool(known and adds_up and (probability >= 0).all())


def _unusable(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path.name} of {path.parent.name} must have the columns {','.join(_COLUMNS)}, grades "
        "from 0 to 4 and probabilities that add up to 1: write it anew with `retina evaluate "
        "--predictions`"
    )
