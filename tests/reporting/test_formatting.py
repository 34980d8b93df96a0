import pytest

from retina.reporting.formatting import (
    decimal,
    hundredths,
    interval,
    number,
    percent,
    with_interval,
)

BOUNDED = {"value": 0.7444, "low": -0.0213, "high": 0.9}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (BOUNDED, "0.744 (−0.021 to 0.900)"),
        (0.5, "0.500"),
        (None, "–"),
        ({"value": 0.5, "low": None, "high": 0.9}, "0.500"),
        ({"value": None}, "–"),
    ],
)
def test_a_figure_has_its_interval_where_there_is_one(metric: object, expected: str) -> None:
    assert with_interval(metric) == expected


def test_the_ends_of_an_interval_are_written_as_the_figure_is() -> None:
    assert with_interval(BOUNDED, percent) == "74.4% (−2.1% to 90.0%)"


def test_what_is_undefined_is_a_dash() -> None:
    assert {form(None) for form in (decimal, hundredths, percent)} == {"–"}
    assert hundredths(0.126) == "0.13"


def test_what_no_float_holds_is_no_number() -> None:
    assert number(10**400) is None
    assert number("0.5") is None
    assert interval({"value": 1, "low": 0, "high": 10**400}) is None
