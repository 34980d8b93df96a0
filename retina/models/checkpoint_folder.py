"""Folders of checkpoints: finding, listing and describing them without their weights."""

import json
import os
from pathlib import Path
from typing import Any, NoReturn

from retina.errors import CheckpointError
from retina.files import CLONE, MAX_JSON, TRAIN, refuse_large
from retina.models.config import CONFIG_FILE, CheckpointConfig
from retina.scale import NUM_GRADES

METRICS_FILE = "metrics.json"

_FIGURES = ("accuracy", "balanced_accuracy", "quadratic_weighted_kappa", "macro_f1", "ece")
_LARGEST = 10**9
_OF_SOURCE = ("accuracy", "balanced_accuracy", "quadratic_weighted_kappa", "ece")
_REFERABLE = ("sensitivity", "specificity")


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
        value = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        fault = _fault(value)
    except (OSError, ValueError, RecursionError) as error:
        fault = f"cannot be read, {error}"
    if fault:
        raise CheckpointError(
            f"{called} {fault}: write it anew with `retina evaluate --json`, or take it away"
        )
    return dict(value)


def _fault(metrics: Any) -> str:
    """Describe what is wrong with figures; empty if nothing is."""
    if not isinstance(metrics, dict):
        return "is not a JSON object"
    if not _is_matrix(metrics.get("confusion_matrix")):
        return f"holds no confusion_matrix of {NUM_GRADES} x {NUM_GRADES} counts"
    if not _is_count(metrics.get("n")):
        return "does not say in n how many were tested"
    referable = metrics.get("referable")
    if referable is not None and not (
        isinstance(referable, dict)
        and all(name in referable and _is_figure(referable[name]) for name in _REFERABLE)
    ):
        return f"has a referable without {' and '.join(_REFERABLE)}"
    sources = metrics.get("sources", {})
    if not isinstance(sources, dict) or not all(map(_is_source, sources.values())):
        return "has sources without their figures"
    odd = [name for name in _FIGURES if not _is_figure(metrics.get(name))]
    return f"has no figure in {' and '.join(odd)}" if odd else ""


def _is_source(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(referable := value.get("referable"), dict):
        return False
    return (
        _is_count(value.get("n"))
        and all(name in value and _is_figure(value[name]) for name in _OF_SOURCE)
        and all(
            name in referable and _is_figure(referable[name]) for name in ("auroc", *_REFERABLE)
        )
    )


def _is_matrix(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == NUM_GRADES
        and all(isinstance(row, list) and len(row) == NUM_GRADES for row in value)
        and all(_is_count(count) for row in value for count in row)
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value) and value >= 0


def _is_figure(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_number(value.get(part)) for part in ("value", "low", "high"))
    return value is None or _is_number(value)


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= _LARGEST


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


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
