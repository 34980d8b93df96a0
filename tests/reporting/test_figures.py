from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from sklearn.metrics import confusion_matrix

from retina.reporting.figures import (
    accuracy_trend_figure,
    confusion_matrix_figure,
    relative_luminance,
    row_shares,
    save_figure,
    text_on,
)
from retina.scale import GRADES

MATRIX = [[50, 4, 1, 0, 0], [6, 9, 5, 0, 0], [3, 6, 30, 4, 2], [0, 0, 0, 0, 0], [0, 0, 3, 2, 8]]


def history(first: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_accuracy": [first, first + 0.1, first + 0.2],
            "validation_accuracy": [first, first + 0.05, first + 0.01],
        }
    )


def texts(figure: Figure) -> str:
    found = [artist.get_text() for artist in figure.findobj(Text) if isinstance(artist, Text)]
    return "\n".join(found)


def test_shares_are_scikit_learns_normalisation() -> None:
    generator = np.random.default_rng(0)
    truth, predicted = generator.integers(0, 5, 200), generator.integers(0, 5, 200)
    counts = confusion_matrix(truth, predicted)
    expected = confusion_matrix(truth, predicted, normalize="true")
    np.testing.assert_allclose(row_shares(counts.tolist()), expected)


def test_a_grade_that_does_not_occur_has_no_share() -> None:
    shares = row_shares(MATRIX)
    assert shares[3].tolist() == [0] * 5
    np.testing.assert_allclose(shares[[0, 1, 2, 4]].sum(axis=1), 1)


def test_the_matrix_shows_shares_of_the_truth_darker_for_more() -> None:
    figure = confusion_matrix_figure(MATRIX, "resnet18-scratch, test part")
    axes = figure.axes[0]
    (image,) = axes.images
    np.testing.assert_allclose(np.asarray(image.get_array()), row_shares(MATRIX))
    lightness = image.to_rgba(np.linspace(0, 1, 11))[:, :3].sum(axis=1)
    assert (np.diff(lightness) < 0).all()
    blue = image.to_rgba(np.array([1.0]))[0]
    assert blue[2] > blue[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("True grade", "Predicted grade")
    shown = texts(figure)
    assert "resnet18-scratch, test part" in shown
    assert "91%" in shown, "50 of 55"
    for label in ("No DR", "Mild", "Moderate", "Severe", "Proliferative\nDR"):
        assert label in shown


def test_each_cell_shows_its_own_count() -> None:
    counts = np.arange(100, 125).reshape(5, 5)
    axes = confusion_matrix_figure(counts.tolist(), "").axes[0]
    for row in range(5):
        for column in range(5):
            cell = [
                text.get_text()
                for text in axes.texts
                if np.allclose(text.get_position(), (column, row), atol=0.4)
            ]
            assert str(counts[row, column]) in " ".join(cell)


@pytest.mark.parametrize("runs", [1, 2, 4])
def test_the_trend_shows_training_and_validation_of_every_run(runs: int) -> None:
    histories = {f"run {number}": history(0.5 + 0.05 * number) for number in range(runs)}
    figure = accuracy_trend_figure(histories, "resnet18: accuracy by epoch")
    (axes,) = figure.axes
    drawn = [(line.get_linestyle(), np.asarray(line.get_ydata()).tolist()) for line in axes.lines]
    for each in histories.values():
        assert ("--", each["train_accuracy"].tolist()) in drawn
        assert ("-", each["validation_accuracy"].tolist()) in drawn
    shown = texts(figure)
    assert "resnet18: accuracy by epoch" in shown
    assert all(name in shown for name in histories)
    assert "training" in shown
    assert "validation" in shown
    assert "test" not in shown, "the curves are not of the test part"


def test_is_saved_as_a_png(tmp_path: Path) -> None:
    file = tmp_path / "new" / "matrix.png"
    save_figure(confusion_matrix_figure(MATRIX, "title"), file)
    with Image.open(file) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 500
    assert [path.name for path in file.parent.iterdir()] == ["matrix.png"]


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
