import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from retina.errors import SettingsError
from retina.explain.overlay import MAX_OPACITY, overlay_heatmap


def photograph(width: int = 160, height: int = 120) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    lit = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (height * 0.45) ** 2
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[lit] = (180, 90, 40)
    return Image.fromarray(pixels)


def change(heatmap: npt.NDArray[np.float32], scale: float = 1.0) -> npt.NDArray[np.float64]:
    """How much each pixel of the photograph changed."""
    view = photograph()
    difference = np.asarray(overlay_heatmap(view, heatmap, scale), float) - np.asarray(view, float)
    amount: npt.NDArray[np.float64] = np.abs(difference).sum(axis=2)
    return amount


def spot(value: float = 1.0) -> npt.NDArray[np.float32]:
    heatmap = np.zeros((6, 8), np.float32)
    heatmap[1, 6] = value
    return heatmap


def test_an_empty_map_leaves_the_photograph_as_it_is() -> None:
    assert change(np.zeros((7, 7), np.float32)).max() == 0


def test_has_the_size_of_the_view_and_leaves_the_view_alone() -> None:
    view = photograph(101, 67)
    before = view.tobytes()
    result = overlay_heatmap(view, np.ones((7, 7), np.float32), 1.0)
    assert (result.size, result.mode) == ((101, 67), "RGB")
    assert view.tobytes() == before


def test_colours_the_place_that_the_map_names() -> None:
    amount = change(spot())
    rows, columns = np.nonzero(amount > amount.max() / 2)
    # Cell (1, 6) of 6 x 8 is centred at row 30, column 130 of 120 x 160.
    assert rows.mean() == pytest.approx(30, abs=2)
    assert columns.mean() == pytest.approx(130, abs=2)
    assert amount[60:, :80].max() == 0


def test_strength_depends_on_the_scale_and_not_on_the_maps_own_maximum() -> None:
    faint, strong = change(spot(0.1), 1.0), change(spot(0.8), 1.0)
    assert 0 < faint.max() < strong.max() / 3
    np.testing.assert_array_equal(change(spot(0.1), 0.2), change(spot(0.5), 1.0))


def test_values_above_the_scale_are_shown_at_full_strength() -> None:
    full = np.full((7, 7), 1.0, np.float32)
    np.testing.assert_array_equal(change(full, 1.0), change(50 * full, 1.0))
    black = overlay_heatmap(Image.new("RGB", (9, 9)), full, 1.0)
    white = overlay_heatmap(Image.new("RGB", (9, 9), "white"), full, 1.0)
    seen = (np.asarray(white, float) - np.asarray(black, float)) / 255
    np.testing.assert_allclose(seen, 1 - MAX_OPACITY, atol=0.01)


def test_is_smooth_between_the_cells_of_the_map() -> None:
    view = Image.new("RGB", (224, 224), (128, 128, 128))
    heatmap = np.zeros((7, 7), np.float32)
    heatmap[3, 3] = 1
    pixels = np.asarray(overlay_heatmap(view, heatmap, 1.0), float)
    assert np.abs(np.diff(pixels, axis=0)).max() < 20
    assert np.abs(np.diff(pixels, axis=1)).max() < 20


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_refused(scale: float) -> None:
    with pytest.raises(SettingsError, match="number above 0"):
        overlay_heatmap(photograph(), spot(), scale)


def test_needs_no_pyplot() -> None:
    code = "import retina.explain.overlay, sys; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
