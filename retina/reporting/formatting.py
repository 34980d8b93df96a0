"""Figures, table cells and templates, as every report and page writes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

_LARGEST = 1e300  # an int may have hundreds of digits, which no float holds


def number(metric: Any) -> float | None:
    """The value of a metric; None where it is undefined."""
    value = metric.get("value") if isinstance(metric, dict) else metric
    if not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        return None
    return float(value)


def interval(metric: Any) -> tuple[float, float] | None:
    """The confidence interval of a metric; None where it was given without one."""
    if not isinstance(metric, dict):
        return None
    low, high = number(metric.get("low")), number(metric.get("high"))
    return None if low is None or high is None else (low, high)


def percent(value: float | None, digits: int = 1) -> str:
    """A share, 0 to 1, as ``73.1%``; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}%}".replace("-", "−")


def decimal(value: float | None) -> str:
    """A number with three decimals and a proper minus; a dash where it is undefined."""
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def hundredths(value: float | None) -> str:
    """A number with two decimals; a dash where it is undefined."""
    return "–" if value is None else f"{value:.2f}"


def with_interval(metric: Any, form: Callable[[float | None], str] = decimal) -> str:
    """A metric as a sentence has it: ``0.744 (0.702 to 0.783)``, where it has an interval."""
    bounds = interval(metric)
    within = f" ({form(bounds[0])} to {form(bounds[1])})" if bounds else ""
    return form(number(metric)) + within


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


def figure_cell(figure: Any, form: Callable[[float | None], str], *, shaded: bool = False) -> Cell:
    """A figure as ``metrics.json`` has it."""
    value, bounds = number(figure), interval(figure)
    return Cell(
        form(value),
        None if bounds is None else f"{form(bounds[0])}–{form(bounds[1])}",
        value if shaded else None,
    )


def template(
    package: str, name: str, filters: Mapping[str, Callable[..., Any]] | None = None, **names: Any
) -> Template:
    """A template in which, if it is HTML, everything from outside is escaped.

    Args:
        package: Its ``templates`` folder holds the file.
        name: The file; what ends in ``.html`` is HTML.
        filters: Filters by name.
        names: Values and functions that it and what it imports may use; any other name is an error.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not name.endswith(".html"),
    )
    environment.filters.update(filters or {})
    environment.globals.update(names)
    return environment.get_template(name)
