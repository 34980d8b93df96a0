"""Folders of checkpoints: finding, listing and describing them without their weights."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from retina.errors import CheckpointError
from retina.files import CLONE, MAX_JSON, TRAIN, refuse_large
from retina.models.config import CONFIG_FILE, CheckpointConfig
from retina.scale import NUM_GRADES

METRICS_FILE = "metrics.json"

Count = Annotated[int, Field(ge=0, le=10**9)]
Number = Annotated[float, Field(ge=-(10**9), le=10**9)]


class Bounded(TypedDict):
    """A figure with its 95 % interval."""

    value: Number
    low: Number
    high: Number


Figure = Bounded | Number | None
_FIVE = Field(min_length=NUM_GRADES, max_length=NUM_GRADES)
ConfusionMatrix = Annotated[list[Annotated[list[Count], _FIVE]], _FIVE]


class Referral(TypedDict):
    """Figures of the operating point."""

    sensitivity: Figure
    specificity: Figure
    auroc: NotRequired[Figure]


class SourceMetrics(TypedDict):
    """The main figures of one of several sources."""

    n: Count
    accuracy: Figure
    balanced_accuracy: Figure
    quadratic_weighted_kappa: Figure
    ece: Figure
    referable: Referral


class Metrics(TypedDict):
    """What a table or card shows of ``metrics.json``, which holds more."""

    confusion_matrix: ConfusionMatrix
    n: Count
    accuracy: NotRequired[Figure]
    balanced_accuracy: NotRequired[Figure]
    quadratic_weighted_kappa: NotRequired[Figure]
    macro_f1: NotRequired[Figure]
    ece: NotRequired[Figure]
    referable: NotRequired[Referral | None]
    sources: NotRequired[dict[str, SourceMetrics]]


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """Read a checkpoint's ``metrics.json``; None where it has not been evaluated.

    Raises:
        CheckpointError: as ``read_figures`` says.
    """
    file = folder / METRICS_FILE
    return (
        read_figures(file, f"{METRICS_FILE} of checkpoint {folder.name}") if file.exists() else None
    )


def read_figures(file: Path, called: str) -> dict[str, Any]:
    """Read figures that ``evaluate --json`` printed.

    Args:
        file: The file.
        called: What a message calls it.

    Returns:
        At least ``n`` and ``confusion_matrix``; of the rest, what is there has its form: a figure
        is a number, ``{value, low, high}`` or None.

    Raises:
        CheckpointError: it cannot be read, or is of another form.
    """
    refuse_large(file, MAX_JSON, CheckpointError)
    try:
        text = file.read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_refuse_constant)
        _metrics().validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "it"
        fault = f"cannot be used, {field}: {first['msg']}"
    except (OSError, ValueError, RecursionError) as error:
        fault = f"cannot be read, {error}"
    else:
        return dict(value)
    raise CheckpointError(
        f"{called} {fault}: write it anew with `retina evaluate --json`, or delete it"
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@cache
def _metrics() -> "TypeAdapter[Metrics]":
    return TypeAdapter(Metrics)


EVALUATIONS = "evaluations"


def read_evaluations(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the figures on other sets, by the names of their files in ``evaluations``, sorted.

    Raises:
        CheckpointError: a file cannot be read, or is of another form.
    """
    files = sorted((folder / EVALUATIONS).glob("*.json"))
    return {file.stem: read_figures(file, str(file)) for file in files}


def read_config(folder: Path) -> CheckpointConfig:
    """Read a checkpoint's ``config.json``.

    Raises:
        CheckpointError: there is none, or it cannot be used.
    """
    file = folder / CONFIG_FILE
    try:
        refuse_large(file, MAX_JSON, CheckpointError)
        value = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise CheckpointError("it is not a JSON object")
        return CheckpointConfig.from_json(value)
    except OSError:
        raise CheckpointError(
            f"{folder.name} is no checkpoint: it has no readable {CONFIG_FILE}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{CONFIG_FILE} of checkpoint {folder.name} cannot be used: {error}"
        ) from None


def checkpoints_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder of checkpoints.

    The folder that is given, else the environment variable ``RETINA_CHECKPOINTS``, else
    ``checkpoints`` in the current folder or, where that has none, in the clone of the repository
    that this package lies in.
    """
    if folder is not None:
        return Path(folder)
    if named := os.environ.get("RETINA_CHECKPOINTS"):
        return Path(named)
    here, shipped = Path("checkpoints"), CLONE / "checkpoints"
    return shipped if shipped.is_dir() and not here.is_dir() else here


def list_checkpoints(folder: str | os.PathLike[str] | None = None) -> list[str]:
    """List the names of the checkpoints in a folder, sorted."""
    return sorted(file.parent.name for file in checkpoints_folder(folder).glob(f"*/{CONFIG_FILE}"))


def find_checkpoint(
    name: str | os.PathLike[str], checkpoints: str | os.PathLike[str] | None = None
) -> Path:
    """Find the folder of the checkpoint ``name``; a ``Path`` is the folder itself.

    A name is only ever looked up among ``list_checkpoints``, so that it cannot leave the folder.

    Raises:
        CheckpointError: there is none of that name; the message lists those that exist.
    """
    if not isinstance(name, str):
        return Path(name)
    names = list_checkpoints(checkpoints)
    folder = checkpoints_folder(checkpoints)
    if name in names:
        return _within(folder, name)
    if not names:
        raise CheckpointError(
            f"there is no checkpoint in {folder}: train one with `{TRAIN}`, or name the folder "
            "that holds them with --checkpoints or the environment variable RETINA_CHECKPOINTS"
        )
    raise CheckpointError(f"there is no model called {name!r}: choose one of {', '.join(names)}")


def describe_checkpoints(folder: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Describe checkpoints as ``/models`` and ``retina models --json`` do, without their weights.

    Returns:
        For each checkpoint that can be used ``name, sha256, architecture, initial_weights,
        image_size, metrics``.
    """
    root = checkpoints_folder(folder)
    broken = unusable_checkpoints(root)
    return [_describe(root / name) for name in list_checkpoints(root) if name not in broken]


def unusable_checkpoints(folder: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Find the checkpoints that cannot be used: reasons by name."""
    root = checkpoints_folder(folder)
    reasons = {}
    for name in list_checkpoints(root):
        try:
            _describe(_within(root, name))
        except CheckpointError as error:
            reasons[name] = str(error)
    return reasons


def _within(folder: Path, name: str) -> Path:
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise CheckpointError(f"{name} is a link that leaves {folder}: copy the checkpoint there")
    return folder / name


def _describe(folder: Path) -> dict[str, Any]:
    config = read_config(folder)
    return {
        "name": folder.name,
        "sha256": config.weights_sha256,
        "architecture": config.architecture,
        "initial_weights": config.initial_weights.to_json(),
        "image_size": config.preprocessing.size,
        "metrics": read_metrics(folder),
    }
