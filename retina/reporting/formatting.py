"""Formatting of metrics, table cells and templates, for every report and page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

_LARGEST = 1e300  # JSON integers may have hundreds of digits, which no float can represent.


def number(metric: Any) -> float | None:
    """Return the value of a metric; None if it is undefined."""
    value = metric.get("value") if isinstance(metric, dict) else metric
    if not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        return None
    return float(value)


def interval(metric: Any) -> tuple[float, float] | None:
    """Return the confidence interval of a metric; None if it has none."""
    if not isinstance(metric, dict):
        return None
    low, high = number(metric.get("low")), number(metric.get("high"))
    return None if low is None or high is None else (low, high)


def bounds(metric: Any) -> tuple[float, float]:
    """Return the confidence interval of a metric, or its value twice if it has none.

    Raises:
        ValueError: The metric is undefined.
    """
    value = number(metric)
    if value is None:
        raise ValueError(f"{metric} is undefined")
    return interval(metric) or (value, value)


def percent(value: float | None, digits: int = 1) -> str:
    """Format a share, 0 to 1, as ``73.1%``; a dash if it is undefined."""
    return "–" if value is None else f"{value:.{digits}%}".replace("-", "−")


def decimal(value: float | None, digits: int = 3) -> str:
    """Format a number as ``0.731``; a dash if it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def hundredths(value: float | None) -> str:
    """Format a number as ``0.73``; a dash if it is undefined."""
    return decimal(value, 2)


def points(difference: float, *, signed: bool = False) -> str:
    """Format a difference of two shares as ``3.1 points``, or ``+3.1 points``."""
    return f"{100 * difference:{'+' if signed else ''}.1f} points".replace("-", "−")


def signed(difference: float) -> str:
    """Format a difference of two metrics as ``+0.021``."""
    return f"{difference:+.3f}".replace("-", "−")


def with_interval(metric: Any, form: Callable[[float], str] = decimal, undefined: str = "–") -> str:
    """Format a metric as ``0.744 (0.702 to 0.783)``, or without the interval if it has none."""
    value, ends = number(metric), interval(metric)
    within = f" ({form(ends[0])} to {form(ends[1])})" if ends else ""
    return undefined if value is None else form(value) + within


def words(value: Any) -> str:
    """Format a setting: booleans as ``yes`` or ``no``, floats with four digits, lists by commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {words(v)}" for k, v in value.items() if k != "sha256")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def joined(names: Sequence[str], word: str = "and") -> str:
    """Join names as ``a``, ``a and b``, or ``a, b and c``."""
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def counted(number: int, thing: str) -> str:
    """Format a count as ``1 photograph`` or ``2,000 photographs``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def unit(metrics: Mapping[str, Any]) -> str:
    """Return what the ``n`` of an evaluation counts: ``patients`` or ``photographs``."""
    return "patients" if metrics.get("by_patient") else "photographs"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: The formatted value.
        bounds: Its formatted interval; None if it has none.
        share: Darkness of the background, 0 to 1; None for no background.
    """

    text: str
    bounds: str | None = None
    share: float | None = None


def figure_cell(figure: Any, form: Callable[[float | None], str], *, shaded: bool = False) -> Cell:
    """Format a metric of ``metrics.json`` as a cell."""
    value, ends = number(figure), interval(figure)
    return Cell(
        form(value),
        None if ends is None else f"{form(ends[0])}–{form(ends[1])}",
        value if shaded else None,
    )


def template(
    package: str, name: str, filters: Mapping[str, Callable[..., Any]] | None = None, **names: Any
) -> "Template":
    """Load a Jinja template; HTML templates escape their values.

    Args:
        package: The package whose ``templates`` folder holds the file.
        name: The file name; ``.html`` marks HTML.
        filters: Filters by name.
        names: Global values and functions of the template; an undefined name is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # commands do without

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
