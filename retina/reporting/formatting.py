"""The figures of ``metrics.json``, read and written out."""

from collections.abc import Callable
from typing import Any

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
