import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from retina.datasets.synthetic import draw_fundus
from retina.datasets.transforms import LabAugmentation

SIZE = 64
DRAWN = np.array(draw_fundus(2, 0, SIZE).resize((SIZE, SIZE)))
SQUARE = torch.from_numpy(DRAWN).permute(2, 0, 1)


def fixed(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    monkeypatch.setattr(torch, "rand", lambda *_: torch.tensor(values))


def test_shape_and_type_stay_and_the_square_given_is_untouched() -> None:
    before = SQUARE.clone()
    torch.manual_seed(0)
    for _ in range(20):
        changed = LabAugmentation()(SQUARE)
        assert changed.shape == SQUARE.shape
        assert changed.dtype == torch.uint8
    assert torch.equal(SQUARE, before)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.9, 0.9, 0.5), DRAWN),
        ((0.1, 0.9, 0.5), DRAWN[:, ::-1]),
        ((0.9, 0.1, 0.5), DRAWN[::-1]),
        ((0.1, 0.1, 0.5), DRAWN[::-1, ::-1]),
        ((0.9, 0.9, 1.0), np.rot90(DRAWN)),
        ((0.9, 0.9, 0.0), np.rot90(DRAWN, -1)),
    ],
)
def test_flips_and_quarter_turns_are_exact(
    monkeypatch: pytest.MonkeyPatch, values: tuple[float, ...], expected: np.ndarray
) -> None:
    fixed(monkeypatch, *values)
    np.testing.assert_array_equal(LabAugmentation()(SQUARE).permute(1, 2, 0), expected)


def test_a_rotation_is_bilinear_with_black_corners(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed(monkeypatch, 0.9, 0.9, 0.75)
    white = torch.full((3, SIZE, SIZE), 255, dtype=torch.uint8)
    turned = LabAugmentation()(white)
    assert turned[:, [0, 0, -1, -1], [0, -1, 0, -1]].max() == 0
    assert turned[:, SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4].min() == 255
    expected = Image.fromarray(DRAWN).rotate(45, Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(LabAugmentation()(SQUARE).permute(1, 2, 0), np.asarray(expected))


def test_each_flip_happens_half_the_time_and_angles_fill_the_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corners = torch.zeros((3, 2, 2), dtype=torch.uint8)
    corners[:, 0, 0] = 255
    places: list[int] = []
    angles: list[float] = []

    def recorded(square: Tensor, degrees: float) -> Tensor:
        angles.append(degrees)
        places.append(int(square[0].flatten().argmax()))
        return square

    monkeypatch.setattr("retina.datasets.transforms._rotate", recorded)
    torch.manual_seed(0)
    for _ in range(2000):
        LabAugmentation()(corners)
    assert np.bincount(places, minlength=4) == pytest.approx([500] * 4, abs=80)
    histogram, _ = np.histogram(angles, bins=6, range=(-90, 90))
    assert histogram.sum() == 2000
    assert histogram == pytest.approx([2000 / 6] * 6, abs=80)


def test_it_can_be_sent_to_another_process() -> None:
    assert isinstance(pickle.loads(pickle.dumps(LabAugmentation())), LabAugmentation)
