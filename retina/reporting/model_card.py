"""A checkpoint's ``README.md``: a model card in Hugging Face's form, from what the folder holds."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError

from retina.datasets.splits import PARTS, read_split
from retina.errors import CheckpointError
from retina.files import write_text
from retina.models.checkpoint_folder import (
    EVALUATIONS,
    METRICS_FILE,
    read_config,
    read_evaluations,
    read_metrics,
)
from retina.models.config import SPLIT_FILE, CheckpointConfig
from retina.reporting.formatting import number
from retina.reporting.shortcomings import elsewhere, shortcomings
from retina.scale import LABELS, NOT_ASSESSED, RESEARCH_ONLY

CARD_FILE = "README.md"

# What `training` holds that the card says elsewhere.
_SAID = {"architecture", "start", "variant", "best_epoch", "best_validation_kappa", "image_size"}


def write_model_card(folder: Path, metrics: Mapping[str, Any] | None = None) -> None:
    """Write the card of a checkpoint.

    Args:
        folder: With ``config.json``; also, if they are there, ``split.csv`` and, for other sets,
            ``evaluations/NAME.json``: what ``retina evaluate --json`` printed for the set NAME.
        metrics: On its test part; by default those of the folder's ``metrics.json``.

    Raises:
        CheckpointError: a file is missing or cannot be used.
        DataError: ``split.csv`` cannot be used.
    """
    if metrics is None:
        metrics = read_metrics(folder)
    if metrics is None:
        raise CheckpointError(
            f"{folder} has no {METRICS_FILE}: write it with `retina evaluate --json` first"
        )
    split = folder / SPLIT_FILE
    counts = read_split(split)["part"].value_counts().to_dict() if split.exists() else {}
    sizes = {part: int(counts.get(part, 0)) for part in PARTS} if counts else {}
    try:
        card = model_card(read_config(folder), metrics, read_evaluations(folder), sizes)
    except (KeyError, TypeError, UndefinedError) as error:
        raise CheckpointError(
            f"{METRICS_FILE} or {EVALUATIONS} of {folder} lacks a figure of the card ({error}): "
            "write it anew with `retina evaluate --json`"
        ) from None
    write_text(folder / CARD_FILE, card)


def model_card(
    config: CheckpointConfig,
    metrics: Mapping[str, Any],
    evaluations: Mapping[str, Mapping[str, Any]] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> str:
    """The card as Markdown, with the metadata that a model hub reads at its top.

    Args:
        config: The checkpoint's.
        metrics: On its test part, as ``evaluate`` gives them.
        evaluations: The same on other sets, by name.
        sizes: Photographs in each part of the split.
    """
    templates = Environment(
        loader=PackageLoader("retina.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["cell"] = _cell
    templates.filters["figure"] = _figure
    templates.filters["number"] = number
    others = evaluations or {}
    training = dict(config.training or {})
    return templates.get_template("model_card.md").render(
        config=config,
        training=training,
        settings={
            name.replace("_", " "): _words(value)
            for name, value in training.items()
            if name not in _SAID and value not in (None, "")
        },
        is_foreign=training.get("start") == "pretrained" and config.initial_weights.kind == "file",
        metrics=metrics,
        sources=dict(metrics.get("sources") or {}),
        others=others,
        consequences={name: consequence(each) for name, each in others.items()},
        sizes=sizes or {},
        shortcomings=shortcomings(metrics),
        poor_elsewhere={
            name: [*elsewhere(metrics, each), *shortcomings(each)] for name, each in others.items()
        },
        labels=LABELS,
        research_only=RESEARCH_ONLY,
        not_assessed=NOT_ASSESSED,
    )


def consequence(metrics: Mapping[str, Any]) -> str | None:
    """What the operating point comes to on a set, in words; None where it cannot be said."""
    sensitivity = number(metrics["referable"]["sensitivity"])
    specificity = number(metrics["referable"]["specificity"])
    if sensitivity is None or specificity is None:
        return None
    return (
        f"of 100 who need referral it finds {100 * sensitivity:.0f}, and of 100 who do not it "
        f"refers {100 * (1 - specificity):.0f}"
    )


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(value: object) -> str:
    """A text from outside that neither leaves its cell nor is HTML."""
    return escape(" ".join(str(value).split()), quote=False).replace("|", "\\|")


def _figure(value: Any) -> str:
    """A figure to three digits, with its interval where it has one."""
    if isinstance(value, Mapping):
        return f"{_figure(value['value'])} ({_figure(value['low'])} to {_figure(value['high'])})"
    return "undefined" if value is None else f"{value:.3f}".replace("-", "−")
