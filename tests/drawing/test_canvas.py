import numpy as np
import pytest

from retina.drawing.canvas import Canvas, Shape, blobs

CANVAS = Canvas(600, 500, 250.0)


@pytest.mark.parametrize(("width", "height", "scale"), [(120, 100, 50.0), (900, 700, 350.0)])
def test_a_mask_covers_the_area_of_its_shape(width: int, height: int, scale: float) -> None:
    canvas = Canvas(width, height, scale)
    square = Shape(np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]), strength=0.8)
    mask = canvas.mask([square])
    assert mask is not None
    assert mask.sum() == pytest.approx(0.8 * scale * scale, rel=0.03)
    assert mask[height // 2, width // 2] == pytest.approx(0.8, abs=0.01)
    assert canvas.mask([]) is None


def test_the_strongest_of_overlapping_shapes_counts() -> None:
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    for order in (1, -1):
        mask = CANVAS.mask([Shape(corners, 0.9), Shape(corners, 0.3)][::order])
        assert mask is not None
        assert mask[250, 300] == pytest.approx(0.9, abs=0.01)


def test_what_is_enlarged_lies_where_it_was() -> None:
    coarse = CANVAS.coarse
    assert coarse.height < CANVAS.height
    away = CANVAS.enlarge(coarse.distance((0.3, -0.2)))
    assert np.abs(away - CANVAS.distance((0.3, -0.2))).max() < 0.01
    assert CANVAS.enlarge(np.zeros((3, coarse.height, coarse.width), np.float32)).shape == (
        3,
        CANVAS.height,
        CANVAS.width,
    )


def test_noise_is_the_same_at_another_resolution() -> None:
    large, small = (
        canvas.noise(np.random.default_rng(1), 0.1) for canvas in (CANVAS, Canvas(300, 250, 125.0))
    )
    assert np.corrcoef(large[::2, ::2].ravel(), small.ravel())[0, 1] > 0.99
    assert large.std() == pytest.approx(0.8, abs=0.2)


def test_grain_too_fine_for_a_canvas_is_left_out_and_disturbs_nothing() -> None:
    fine, coarse = (np.random.default_rng(2) for _ in range(2))
    assert not Canvas(30, 25, 12.0).noise(fine, 0.01).any()
    CANVAS.noise(coarse, 0.01)
    assert np.array_equal(CANVAS.noise(fine, 0.3), CANVAS.noise(coarse, 0.3))


def test_a_window_is_cut_at_the_border() -> None:
    rows, columns = CANVAS.window((1.0, -0.9), 0.2)
    assert (rows.start, rows.stop) == (0, 75)
    assert (columns.start, columns.stop) == (500, 600)


def test_blobs_have_their_size_and_place() -> None:
    rng = np.random.default_rng(3)
    centres, radii = rng.uniform(-1, 1, (200, 2)), rng.uniform(0.01, 0.05, 200)
    outlines = blobs(rng, centres, radii, stretch=np.full(200, 2.0), angles=0.0)
    assert np.abs(outlines.mean(axis=1) - centres).max() < 0.02
    extent = np.ptp(outlines, axis=1) / 2
    assert np.median(extent[:, 0] / radii) == pytest.approx(np.sqrt(2), abs=0.25)
    assert np.median(extent[:, 1] / radii) == pytest.approx(np.sqrt(0.5), abs=0.25)
