"""The numbers of a run as tables show them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from retina.reporting.finished_runs import FinishedRun
from retina.reporting.formatting import interval, number


@dataclass(frozen=True)
class Cell:
    """A number in a table.

    Attributes:
        text: The number, in words.
        bounds: Its interval, where it has one.
        share: 0 to 1: how dark its ground is; None for no ground.
    """

    text: str
    bounds: str | None = None
    share: float | None = None


def metric_cell(
    run: FinishedRun, name: str, form: Callable[[float | None], str], *, shaded: bool = False
) -> Cell:
    """A metric of a run, as ``FinishedRun.metric`` names them."""
    return figure_cell(run.metric(name), form, shaded=shaded)


def figure_cell(figure: Any, form: Callable[[float | None], str], *, shaded: bool = False) -> Cell:
    """A figure as ``metrics.json`` has it."""
    value, bounds = number(figure), interval(figure)
    return Cell(
        form(value),
        None if bounds is None else f"{form(bounds[0])}–{form(bounds[1])}",
        value if shaded else None,
    )
