"""Fabricated run folders: what a finished run leaves, without its weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retina.evaluation.metrics import compute_metrics
from retina.files import write_json
from retina.images.prepare import Preprocessing
from retina.models.config import CheckpointConfig, DataSource, StartedFrom

GRADES = np.repeat(range(5), [360, 67, 185, 35, 54])
IMAGENET = StartedFrom("imagenet", "torchvision ResNet18_Weights.IMAGENET1K_V1", "a1" * 32)


def answers(skill: float, seed: int = 0, grades: Any = GRADES) -> Any:
    """(N, 5) probabilities: at skill 0 grade 0 nearly always, at 1 mostly the truth."""
    random = np.random.default_rng(seed)
    distance = np.abs(np.arange(5) - np.asarray(grades)[:, None])
    prior = np.array([3.0, -1.0, 0.5, -2.0, -1.5])
    logits = prior * (1 - skill) - 2.5 * skill * distance + random.normal(0, 0.7, distance.shape)
    exponential = np.exp(logits)
    return exponential / exponential.sum(axis=1, keepdims=True)


def history(epochs: int = 10, skill: float = 0.5, gap: float = 0.02) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    validation = 0.5 + skill * 0.35 * (1 - np.exp(-epoch / 3)) + 0.012 * np.sin(epoch * 2.1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": 1.2 / epoch,
            "train_accuracy": validation + gap * (epoch - 2) / max(epochs - 2, 1),
            "validation_loss": 1.3 / epoch,
            "validation_accuracy": validation,
            "validation_kappa": skill * (1 - np.exp(-epoch / 3)),
            "lr": 0.001,
            "seconds": 60.0,
        }
    )


def write_run(
    folder: Path,
    name: str = "resnet18-scratch",
    *,
    architecture: str = "resnet18",
    skill: float = 0.5,
    gap: float = 0.02,
    epochs: int = 10,
    initial: StartedFrom | None = None,
    metrics: dict[str, Any] | None = None,
    fingerprint: str = "f" * 64,
    training: dict[str, Any] | None = None,
) -> Path:
    """Write ``folder/name`` and give it; ``training`` replaces the recorded settings."""
    run = folder / name.replace("/", "_")
    recorded = {
        "architecture": architecture,
        "start": "pretrained" if "pretrained" in name else "scratch",
        "recipe": "lab",
        "epochs": epochs,
        "batch_size": 32,
        "lr": 0.001,
        "image_size": 224,
        "seed": 0,
        "best_epoch": max(1, epochs - 2),
        "best_validation_kappa": 0.7,
        "seconds": 8100.0,
        "device": "cpu",
        "torch": "2.14.1",
    }
    config = CheckpointConfig(
        name=name,
        architecture=architecture,
        preprocessing=Preprocessing(size=224),
        data=DataSource("aptos2019", 3504, fingerprint, "Kaggle competition rules: research"),
        initial_weights=initial or (IMAGENET if "pretrained" in name else StartedFrom()),
        training=recorded if training is None else training,
    )
    write_json(run / "config.json", config.to_json())
    write_json(run / "metrics.json", metrics or compute_metrics(GRADES, answers(skill), 0.5))
    history(epochs, skill, gap).to_csv(run / "history.csv", index=False)
    return run
