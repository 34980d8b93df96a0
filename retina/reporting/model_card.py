"""A checkpoint's ``README.md``: a model card in Hugging Face's form, from what the folder holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from retina.atomic import write_text
from retina.models.config import CheckpointConfig, read_config
from retina.scale import LABELS, NOT_ASSESSED, RESEARCH_ONLY

CARD_FILE = "README.md"


def write_model_card(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write the card of a checkpoint.

    Args:
        folder: With ``config.json``.
        metrics: On its test part.

    Raises:
        CheckpointError: the configuration is missing or cannot be used.
    """
    write_text(folder / CARD_FILE, model_card(read_config(folder), metrics))


def model_card(config: CheckpointConfig, metrics: Mapping[str, Any]) -> str:
    """The card as Markdown, with the metadata that a model hub reads at its top."""
    templates = Environment(
        loader=PackageLoader("retina.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["figure"] = _figure
    return templates.get_template("model_card.md").render(
        config=config,
        training=config.training or {},
        metrics=metrics,
        labels=LABELS,
        research_only=RESEARCH_ONLY,
        not_assessed=NOT_ASSESSED,
    )


def _figure(value: Any) -> str:
    """A figure to three digits, with its interval where it has one."""
    if isinstance(value, Mapping):
        return f"{_figure(value['value'])} ({_figure(value['low'])} to {_figure(value['high'])})"
    return "undefined" if value is None else f"{value:.3f}"
