import pytest

from retina.reporting.formatting import (
    bounds,
    counted,
    decimal,
    hundredths,
    interval,
    joined,
    number,
    percent,
    points,
    signed,
    with_interval,
    words,
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


def test_a_figure_without_an_interval_bounds_itself() -> None:
    assert bounds(BOUNDED) == (-0.0213, 0.9)
    assert bounds(0.5) == (0.5, 0.5)
    with pytest.raises(ValueError, match="undefined"):
        bounds(None)


def test_differences_have_a_sign() -> None:
    assert (signed(0.02), signed(-0.02)) == ("+0.020", "−0.020")
    assert (points(0.031, signed=True), points(-0.031)) == ("+3.1 points", "−3.1 points")


def test_names_are_joined_by_a_word() -> None:
    expected = ["", "a", "a and b", "a, b and c"]
    assert [joined(["a", "b", "c"][:count]) for count in range(4)] == expected
    assert joined(["a", "b"], "or") == "a or b"


def test_one_thing_is_singular() -> None:
    assert [counted(number, "row") for number in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]


def test_settings_are_put_into_words() -> None:
    teacher = {"name": "big", "sha256": "0" * 64, "weight": 0.7}
    assert [words(value) for value in (True, 0.00040001, [1, False], teacher, "sqrt")] == [
        "yes",
        "0.0004",
        "1, no",
        "name big, weight 0.7",
        "sqrt",
    ]
