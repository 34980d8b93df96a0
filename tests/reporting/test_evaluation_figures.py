from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from retina.evaluation.evaluate import measure
from retina.evaluation.predictions import Predictions
from retina.reporting.evaluation_figures import (
    evaluation_figures,
    reliability_figure,
    roc_figure,
)
from retina.reporting.figures import png

THRESHOLD = 0.45


def answers(count: int = 250, seed: int = 0, highest: int = 4) -> Predictions:
    random = np.random.default_rng(seed)
    grades = random.integers(0, highest + 1, count)
    logits = random.normal(0, 1.5, (count, 5))
    logits[np.arange(count), grades] += 2
    return Predictions.from_logits(logits, 1.8, grades, [str(number) for number in range(count)])


@pytest.fixture(scope="module")
def measured() -> tuple[Predictions, dict[str, Any]]:
    given = answers()
    return given, measure(given, THRESHOLD)


def texts(figure: Figure) -> str:
    found = [artist.get_text() for artist in figure.findobj(Text) if isinstance(artist, Text)]
    return "\n".join(found)


def points(figure: Figure, marker: str) -> Any:
    """Where the dots of a figure's first axes with this marker lie: (2, K)."""
    (line,) = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    return np.array([line.get_xdata(), line.get_ydata()], dtype=float)


def test_the_reliability_is_scikit_learns_calibration_curve(
    measured: tuple[Predictions, dict[str, Any]],
) -> None:
    given, metrics = measured
    figure = reliability_figure(given, metrics, "small on drawn")
    right = given.grades == given.predicted
    for marker, probability in (("o", given.probability), ("s", given.uncalibrated)):
        share, confidence = calibration_curve(right, probability.max(axis=1), n_bins=15)
        np.testing.assert_allclose(points(figure, marker), [confidence, share])
    shown = texts(figure)
    before = metrics["before_temperature"]["ece"]["value"]
    assert f"before temperature scaling: error {before:.3f}" in shown
    ece = metrics["ece"]
    assert f"{ece['value']:.3f} ({ece['low']:.3f} to {ece['high']:.3f})" in shown
    assert sum(patch.get_height() for patch in figure.axes[1].patches) == pytest.approx(1)  # type: ignore[attr-defined]


def test_the_operating_point_lies_on_scikit_learns_roc(
    measured: tuple[Predictions, dict[str, Any]],
) -> None:
    given, metrics = measured
    figure = roc_figure(given, metrics, "small on drawn")
    score = given.probability[:, 2:].sum(axis=1)
    alarms, found, thresholds = roc_curve(given.grades >= 2, score, drop_intermediate=False)
    curve = max(figure.axes[0].lines, key=lambda line: len(np.asarray(line.get_xdata())))
    area = np.trapezoid(np.asarray(curve.get_ydata()), np.asarray(curve.get_xdata()))
    assert area == pytest.approx(metrics["referable"]["auroc"]["value"])
    place = np.flatnonzero(thresholds >= THRESHOLD)[-1]
    np.testing.assert_allclose(points(figure, "D"), [[alarms[place]], [found[place]]])
    assert f"{THRESHOLD:.3f}" in texts(figure)
    assert "small on drawn" in texts(figure)


def test_figures_are_named_and_drawn(measured: tuple[Predictions, dict[str, Any]]) -> None:
    given, metrics = measured
    figures = evaluation_figures(given, metrics, "small on drawn", "started from elsewhere")
    assert set(figures) == {"confusion-matrix", "reliability", "roc"}
    for figure in figures.values():
        assert "started from elsewhere" in texts(figure)
        assert png(figure).startswith(b"\x89PNG")


def test_without_referable_pictures_there_is_no_roc() -> None:
    given = answers(highest=1)
    figures = evaluation_figures(given, measure(given, THRESHOLD), "healthy")
    assert set(figures) == {"confusion-matrix", "reliability"}


def test_a_single_picture_is_drawn() -> None:
    given = answers(count=1)
    for figure in evaluation_figures(given, measure(given, THRESHOLD), "one").values():
        assert png(figure)
