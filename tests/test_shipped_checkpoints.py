from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, roc_auc_score

from retina.datasets.splits import read_split
from retina.models.checkpoint import load_checkpoint
from retina.models.checkpoint_folder import list_checkpoints
from retina.models.config import PREDICTIONS_FILE, SPLIT_FILE

CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"
NAMES = list_checkpoints(CHECKPOINTS)


def test_there_is_a_model_to_open() -> None:
    assert "resnet18-scratch" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shipped_opens_and_says_what_it_was_tested_on(name: str) -> None:
    checkpoint = load_checkpoint(name, CHECKPOINTS)
    assert checkpoint.config.name == name
    assert checkpoint.config.referable.chosen_on == "validation"
    assert checkpoint.metrics is not None
    parts = read_split(checkpoint.folder / SPLIT_FILE)
    assert checkpoint.metrics["n"] == (parts["part"] == "test").sum()
    assert sum(map(sum, checkpoint.metrics["confusion_matrix"])) == checkpoint.metrics["n"]
    assert not (checkpoint.folder / "state.pt").exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_answers_give_the_shipped_figures(name: str) -> None:
    checkpoint = load_checkpoint(name, CHECKPOINTS)
    metrics = checkpoint.metrics
    assert metrics is not None
    answers = pd.read_csv(checkpoint.folder / PREDICTIONS_FILE, dtype={"image_id": str})
    parts = read_split(checkpoint.folder / SPLIT_FILE)
    names = [column for column in ("source", "image_id") if column in answers]
    test = parts[parts["part"] == "test"]
    assert set(answers[names].agg("/".join, axis=1)) == set(test[names].agg("/".join, axis=1))
    truth, predicted = answers["grade"], answers["predicted"]
    probability = answers[[f"p{grade}" for grade in range(5)]].to_numpy()
    assert (probability.argmax(axis=1) == predicted).all()
    matrix = confusion_matrix(truth, predicted, labels=range(5))
    assert matrix.tolist() == metrics["confusion_matrix"]
    kappa = cohen_kappa_score(truth, predicted, weights="quadratic")
    area = roc_auc_score(truth >= 2, probability[:, 2:].sum(axis=1))
    found = [accuracy_score(truth, predicted), kappa, area]
    shipped = [metrics["accuracy"], metrics["quadratic_weighted_kappa"]]
    shipped.append(metrics["referable"]["auroc"])
    np.testing.assert_allclose(found, [figure["value"] for figure in shipped])
