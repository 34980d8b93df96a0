"""Figures, table cells and templates, as every report and page writes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

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


def bounds(metric: Any) -> tuple[float, float]:
    """The confidence interval of a metric that is defined; its value twice where it has none."""
    value = number(metric)
    if value is None:
        raise ValueError(f"{metric} is undefined")
    return interval(metric) or (value, value)


def percent(value: float | None, digits: int = 1) -> str:
    """A share, 0 to 1, as ``73.1%``; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}%}".replace("-", "−")


def decimal(value: float | None, digits: int = 3) -> str:
    """A number as ``0.731``, with a proper minus; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def hundredths(value: float | None) -> str:
    """A number as ``0.73``; a dash where it is undefined."""
    return decimal(value, 2)


def points(difference: float, *, signed: bool = False) -> str:
    """A difference of two shares as ``3.1 points``, or ``+3.1 points``."""
    return f"{100 * difference:{'+' if signed else ''}.1f} points".replace("-", "−")


def signed(difference: float) -> str:
    """A difference of two figures as ``+0.021``."""
    return f"{difference:+.3f}".replace("-", "−")


def with_interval(metric: Any, form: Callable[[float], str] = decimal, undefined: str = "–") -> str:
    """A metric as a sentence has it: ``0.744 (0.702 to 0.783)``, where it has an interval."""
    value, ends = number(metric), interval(metric)
    within = f" ({form(ends[0])} to {form(ends[1])})" if ends else ""
    return undefined if value is None else form(value) + within


def words(value: Any) -> str:
    """A setting as a reader takes it: ``yes`` or ``no``, four digits, values joined by commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {words(v)}" for k, v in value.items() if k != "sha256")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def joined(names: Sequence[str], word: str = "and") -> str:
    """Names as ``a``, ``a and b``, or ``a, b and c``."""
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def counted(number: int, thing: str) -> str:
    """``1 photograph``, ``2,000 photographs``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def unit(metrics: Mapping[str, Any]) -> str:
    """What the ``n`` of an evaluation counts: ``patients`` or ``photographs``."""
    return "patients" if metrics.get("by_patient") else "photographs"


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
    value, ends = number(figure), interval(figure)
    return Cell(
        form(value),
        None if ends is None else f"{form(ends[0])}–{form(ends[1])}",
        value if shaded else None,
    )


def template(
    package: str, name: str, filters: Mapping[str, Callable[..., Any]] | None = None, **names: Any
) -> "Template":
    """A template in which, if it is HTML, everything from outside is escaped.

    Args:
        package: Its ``templates`` folder holds the file.
        name: The file; what ends in ``.html`` is HTML.
        filters: Filters by name.
        names: Values and functions that it and what it imports may use; any other name is an error.
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
