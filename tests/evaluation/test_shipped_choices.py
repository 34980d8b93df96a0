from pathlib import Path

import numpy as np
import pytest
import torch

from retina.datasets.cache import PreparedCache
from retina.datasets.sources import read_sources
from retina.evaluation.calibration import choose_threshold, fit_temperature, source_weights
from retina.evaluation.evaluate import grade_rows
from retina.evaluation.held_out import choose_rows
from retina.models.checkpoint import load_checkpoint
from tests.shared_data import SHARED_DATA, needs_shared_data

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"


@needs_shared_data
def test_what_is_shipped_was_chosen_on_validation_alone() -> None:
    # Chosen on the test part, both would differ from these by more than 0.01.
    checkpoint = load_checkpoint("resnet18-scratch", CHECKPOINTS)
    config = checkpoint.config
    folders = [SHARED_DATA / each.name for each in config.data.sources or (config.data,)]
    rows, _ = choose_rows(read_sources(folders), checkpoint, "validation")
    answers = grade_rows(checkpoint, rows, PreparedCache(), torch.device("cpu"))
    weights = source_weights(rows["source"].tolist())
    temperature = fit_temperature(np.log(answers.uncalibrated), answers.grades, weights)
    assert config.temperature == pytest.approx(temperature, rel=1e-3)
    threshold = choose_threshold(answers.grades, answers.probability, weights=weights)
    assert config.referable.threshold == pytest.approx(threshold, abs=1e-3)
