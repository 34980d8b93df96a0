"""A run, from initial weights to a finished checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from retina import distributed
from retina.datasets.splits import write_split
from retina.evaluation.calibration import (
    choose_threshold,
    fit_temperature,
    probabilities,
    rule,
    source_weights,
)
from retina.evaluation.evaluate import evaluate
from retina.evaluation.predict import predict_with_maps
from retina.evaluation.predictions import write_predictions
from retina.files import remove_unfinished, write_json
from retina.models.architectures import build
from retina.models.checkpoint import Checkpoint, as_stored, load_checkpoint, save_checkpoint
from retina.models.checkpoint_folder import METRICS_FILE
from retina.models.config import (
    PREDICTIONS_FILE,
    SPLIT_FILE,
    CheckpointConfig,
    OperatingPoint,
    StartedFrom,
)
from retina.models.pretrained import InitialWeights, start_from
from retina.reporting.model_card import write_model_card
from retina.training.data import SplitData
from retina.training.settings import RunSettings, recipe_of
from retina.training.state import Outcome
from retina.training.teacher import Teacher
from retina.training.trainer import Trainer

HEATMAP_PERCENTILE = 99


def train_run(
    run: RunSettings,
    parts: SplitData,
    initial: InitialWeights | None,
    folder: Path,
    device: torch.device,
    workers: int = 0,
    resume: bool = False,
    compiled: bool = False,
    teacher: Checkpoint | None = None,
) -> None:
    """Train one run and save its checkpoint; ``metrics.json`` is written last.

    The temperature, the operating point and the scale of the heatmap are chosen on the validation
    split. Only then is the test split used, once, with the network as read back from the file.

    Args:
        run: The settings of the run.
        parts: The photographs.
        initial: The weights to start from; None for random ones.
        folder: The folder of the checkpoint; created if it does not exist.
        device: The device to train on.
        workers: Number of data-loading processes; 0 loads in this one.
        resume: Continue from ``state.pt`` if ``folder`` holds one.
        compiled: Whether to compile the network.
        teacher: The checkpoint that ``run.teacher`` names.
    """
    torch.manual_seed(run.seed)
    model = build(run.architecture)
    if initial is not None:
        start_from(model, initial)
    colours = None if initial is None else (initial.mean, initial.std)
    preprocessing = parts.preprocessing(run.image_size, run.normalisation, colours)
    validation = parts.dataset("validation", preprocessing)
    augmentation = recipe_of(run).augmentation() if run.augmentation else None
    training = parts.dataset("train", preprocessing, augmentation, run.seed)
    folder.mkdir(parents=True, exist_ok=True)
    if distributed.is_writer():
        remove_unfinished(folder)
    answering = None
    if teacher is not None and run.teacher is not None:
        answering = Teacher(teacher, run.teacher, preprocessing, device)
    trainer = Trainer(
        run, model, training, validation, folder, device, workers, compiled, answering
    )
    outcome = trainer.fit(resume)

    model.load_state_dict(as_stored(outcome.best_weights))
    logits, maps = predict_with_maps(model, validation, device)
    grades = np.asarray(validation.grades)
    weights = source_weights(validation.sources)
    temperature = fit_temperature(logits, grades, weights)
    threshold = choose_threshold(
        grades, probabilities(logits, temperature), run.sensitivity, weights
    )
    config = CheckpointConfig(
        name=run.name,
        architecture=run.architecture,
        preprocessing=preprocessing,
        data=parts.source,
        temperature=temperature,
        referable=OperatingPoint(threshold, rule(run.sensitivity), "validation"),
        heatmap_scale=max(float(np.percentile(maps, HEATMAP_PERCENTILE)), 1e-6),
        initial_weights=_started_from(initial),
        training=_record(run, outcome, device, trainer.precision.dtype),
    )
    if distributed.is_writer():
        save_checkpoint(folder, model, config)
        write_split(folder / SPLIT_FILE, parts.table, parts.table["part"])
    distributed.wait_for_all()

    evaluation = evaluate(load_checkpoint(folder), parts.rows("test"), parts.cache, device)
    if distributed.is_writer():
        write_predictions(folder / PREDICTIONS_FILE, evaluation.predictions)
        write_model_card(folder, evaluation.metrics)
        write_json(folder / METRICS_FILE, evaluation.metrics)


def _started_from(initial: InitialWeights | None) -> StartedFrom:
    if initial is None:
        return StartedFrom()
    return StartedFrom(initial.kind, initial.source, initial.sha256, initial.licence)


def _record(
    run: RunSettings, outcome: Outcome, device: torch.device, dtype: torch.dtype | None
) -> dict[str, Any]:
    kappas = outcome.history["validation_kappa"].dropna()
    return {
        **run.to_json(),
        "best_epoch": outcome.best_epoch,
        "best_validation_kappa": float(kappas.max()) if len(kappas) else None,
        "seconds": round(float(outcome.history["seconds"].sum()), 1),
        "precision": str(dtype or torch.float32).removeprefix("torch."),
        "processes": distributed.processes(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "torch": str(torch.__version__),
    }
