"""What the tests of this room train on, and the run that they compare with."""

from pathlib import Path

import pytest

from retina.datasets.synthetic import write_synthetic
from retina.training.data import SplitData, read_split_data
from retina.training.run import train_run
from retina.training.state import Outcome
from retina.training.trainer import Trainer
from tests.training.runs import CPU, PICTURES, settings, tiny_trainer


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photographs in Kaggle's layout; to be read only."""
    folder = tmp_path_factory.mktemp("photographs") / "drawn"
    write_synthetic(folder, count=PICTURES, size=96)
    return folder


@pytest.fixture(scope="session")
def parts(photographs: Path) -> SplitData:
    """42 photographs to train on, 6 for validation, 12 for the test."""
    return read_split_data([str(photographs)], 0)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, parts: SplitData) -> Path:
    """The folder of a run that nothing disturbed; to be read only."""
    folder = tmp_path_factory.mktemp("runs") / "resnet18-scratch"
    train_run(settings(), parts, None, folder, CPU)
    return folder


@pytest.fixture(scope="session")
def undisturbed(
    parts: SplitData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trainer, Outcome]:
    """A trainer that nothing disturbed, and what it came to; to be read only."""
    trainer = tiny_trainer(parts, tmp_path_factory.mktemp("runs") / "undisturbed")
    return trainer, trainer.fit()
