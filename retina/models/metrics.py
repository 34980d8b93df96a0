"""A checkpoint's ``metrics.json``, held to the form in which ``evaluate --json`` prints it."""

import json
from pathlib import Path
from typing import Any, NoReturn

from retina.errors import CheckpointError
from retina.files import MAX_JSON, refuse_large
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
    """What keeps figures from being shown; empty for nothing."""
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
