"""``predictions.csv``: what a checkpoint answered to every picture of its test part."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from retina.datasets.catalog import patient_and_eye
from retina.errors import CheckpointError
from retina.evaluation.answers import Answers, Array
from retina.files import MAX_TABLE, no_formula, refuse_large, with_formulas, write_text
from retina.scale import NUM_GRADES

_PROBABILITIES = [f"p{grade}" for grade in range(NUM_GRADES)]
_COLUMNS = ["image_id", "grade", "predicted", *_PROBABILITIES]


def source_names(rows: pd.DataFrame) -> list[str]:
    """The names of the sources that rows come from, where they are several; else none."""
    names = list(dict.fromkeys(rows["source"])) if "source" in rows else []
    return names if len(names) > 1 else []


def predictions_table(
    image_ids: "pd.Series[str]", answers: Answers, sources: "pd.Series[str] | None" = None
) -> pd.DataFrame:
    """The answers to N pictures as ``image_id, grade, predicted, p0 ... p4``, and ``source``.

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


def read_predictions(file: str | os.PathLike[str], temperature: float) -> Answers:
    """Read what ``write_predictions`` wrote.

    Args:
        file: ``predictions.csv``.
        temperature: The checkpoint's, from which the uncalibrated probabilities follow.

    Returns:
        The answers, in the file's order; patients as far as the pictures' names tell them.

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
    return Answers.from_probabilities(
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
