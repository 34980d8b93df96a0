"""Save and load a network together with its preprocessing and thresholds.

A checkpoint is a folder that anyone can read: weights in safetensors, everything else in JSON and
CSV. Nothing in it is ever unpickled.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from retina.errors import CheckpointError, SettingsError
from retina.files import MAX_WEIGHTS, refuse_large, replacing, write_json
from retina.models.architectures import build
from retina.models.checkpoint_folder import find_checkpoint, read_config, read_metrics
from retina.models.config import CONFIG_FILE, WEIGHTS_FILE, CheckpointConfig
from retina.scale import NUM_GRADES


@dataclass(frozen=True)
class Checkpoint:
    """A trained network, ready for use.

    Attributes:
        folder: Where it was read from.
        config: What it says of itself.
        metrics: Its figures on its test split; None where it has not been evaluated.
        model: In evaluation mode, float32, on the CPU; maps (N, 3, size, size) to (N, 5) logits.
    """

    folder: Path
    config: CheckpointConfig
    metrics: dict[str, Any] | None
    model: nn.Module

    @property
    def name(self) -> str:
        """The name of the folder, which shell, page and API use."""
        return self.folder.name


def save_checkpoint(
    folder: str | os.PathLike[str],
    model: nn.Module,
    config: CheckpointConfig,
) -> CheckpointConfig:
    """Write ``model.safetensors`` and ``config.json``; each atomically.

    Convolutions and the last layer are kept in float16, half the size; batch-norm stays in
    float32.

    Args:
        folder: Made if it is not there.
        model: The network.
        config: Its ``weights_sha256`` is filled in here.

    Returns:
        The configuration as it was written.
    """
    folder = Path(folder)
    tensors = {name: _stored(value) for name, value in model.state_dict().items()}
    data = dump_tensors(tensors, metadata={"format": "pt"})
    with replacing(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(data)
    config = replace(config, weights_sha256=hashlib.sha256(data).hexdigest())
    write_json(folder / CONFIG_FILE, config.to_json())
    return config


def load_checkpoint(
    name: str | os.PathLike[str], checkpoints: str | os.PathLike[str] | None = None
) -> Checkpoint:
    """Load a checkpoint by its name in ``checkpoints``, or, given a ``Path``, from that folder.

    Raises:
        CheckpointError: it is missing, its bytes are not those that were saved, its weights do
            not fit its architecture, or one of them is NaN or infinite.
    """
    folder = find_checkpoint(name, checkpoints)
    config = read_config(folder)
    refuse_large(folder / WEIGHTS_FILE, MAX_WEIGHTS, CheckpointError)
    try:
        data = (folder / WEIGHTS_FILE).read_bytes()
    except OSError:
        raise CheckpointError(f"checkpoint {folder.name} has no readable {WEIGHTS_FILE}") from None
    if hashlib.sha256(data).hexdigest() != config.weights_sha256:
        raise CheckpointError(
            f"{WEIGHTS_FILE} of checkpoint {folder.name} is not the file that {CONFIG_FILE} "
            "describes (its SHA-256 differs): copy the checkpoint again, or train it anew"
        )
    try:
        model = build(config.architecture, num_classes=NUM_GRADES)
        tensors = {name: _loaded(value) for name, value in load_tensors(data).items()}
        model.load_state_dict(tensors)
    except (SettingsError, SafetensorError, RuntimeError, KeyError) as error:
        reason = str(error).split("\n\t")[0 if isinstance(error, SettingsError) else -1]
        raise CheckpointError(
            f"the weights of checkpoint {folder.name} do not fit {config.architecture}: {reason}"
        ) from None
    for tensor, value in tensors.items():
        if not value.isfinite().all():
            raise CheckpointError(
                f"checkpoint {folder.name} is of no use: a value of {tensor} is not a number, "
                "as after training with too high a learning rate; train it anew"
            )
    return Checkpoint(folder, config, read_metrics(folder), model.eval())


def as_stored(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as saving and loading leave them: rounded to float16 if stored so.

    What is fitted to a network's answers, such as the temperature, is fitted to these.
    """
    return {name: _loaded(_stored(value)) for name, value in state.items()}


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if value.dim() > 1 else value


def _loaded(value: Tensor) -> Tensor:
    return value.to(torch.float32) if value.is_floating_point() else value
