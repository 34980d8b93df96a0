import pytest

from retina.reporting.palette import relative_luminance, text_on
from retina.scale import GRADES


def contrast(colour: str, other: str) -> float:
    darker, lighter = sorted(map(relative_luminance, (colour, other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_what_wcag_says() -> None:
    # Well-known pairs: the extreme, the grey that just fails AA, pure red.
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#ff0000", "#ffffff") == pytest.approx(4.0, abs=0.005)


@pytest.mark.parametrize("colour", [grade.colour for grade in GRADES])
def test_a_grade_is_readable_on_its_colour(colour: str) -> None:
    assert contrast(colour, text_on(colour)) >= 4.5
