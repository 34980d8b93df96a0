import math
import pickle

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from retina.datasets.synthetic import draw_fundus
from retina.training.augmentation import CameraAugmentation, LabAugmentation

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
    difference = np.abs(
        LabAugmentation()(SQUARE).permute(1, 2, 0).numpy() - np.asarray(expected, int)
    )
    inside = np.hypot(*(np.indices((SIZE, SIZE)) - (SIZE - 1) / 2)) < SIZE / 2 - 1
    assert difference[inside].max() <= 1


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

    monkeypatch.setattr("retina.training.augmentation._rotate", recorded)
    torch.manual_seed(0)
    for _ in range(2000):
        LabAugmentation()(corners)
    assert np.bincount(places, minlength=4) == pytest.approx([500] * 4, abs=80)
    histogram, _ = np.histogram(angles, bins=6, range=(-90, 90))
    assert histogram.sum() == 2000
    assert histogram == pytest.approx([2000 / 6] * 6, abs=80)


@pytest.mark.parametrize("kind", [LabAugmentation, CameraAugmentation])
def test_it_can_be_sent_to_another_process(kind: type) -> None:
    assert isinstance(pickle.loads(pickle.dumps(kind())), kind)


# What each random number of the camera's augmentation means; 0.5 is the middle of a range.
UNCHANGED = {
    **{"mirror": 0.9, "turn": 0.0, "zoom": 0.5, "right": 0.5, "down": 0.5},
    **{"exposure": 0.5, "gamma": 0.5, "contrast": 0.5, "red": 0.5, "green": 0.5, "blue": 0.5},
    **{"blurred": 0.9, "deviation": 0.5, "shrunk": 0.9, "share": 0.5},
    **{"compressed": 0.9, "quality": 0.5},
}


def camera(
    monkeypatch: pytest.MonkeyPatch, drawn: dict[str, float], square: Tensor = SQUARE
) -> npt.NDArray[np.uint8]:
    numbers = iter((UNCHANGED | drawn).values())

    def rand(*shape: int) -> Tensor:
        wanted = torch.empty(*shape)
        return torch.tensor([next(numbers) for _ in range(wanted.numel())]).reshape(wanted.shape)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "rand", rand)
        changed = CameraAugmentation()(square).permute(1, 2, 0).numpy()
    assert next(numbers, None) is None
    return changed


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ({}, DRAWN),
        ({"mirror": 0.1}, DRAWN[:, ::-1]),
        ({"turn": 0.25}, np.rot90(DRAWN, -1)),
        ({"turn": 0.5}, DRAWN[::-1, ::-1]),
        ({"turn": 0.75}, np.rot90(DRAWN)),
    ],
)
def test_mirrors_and_quarter_turns_of_the_camera_are_exact(
    monkeypatch: pytest.MonkeyPatch, drawn: dict[str, float], expected: npt.NDArray[np.uint8]
) -> None:
    np.testing.assert_array_equal(camera(monkeypatch, drawn), expected)


def test_scale_and_shift_are_of_the_side(monkeypatch: pytest.MonkeyPatch) -> None:
    white = torch.zeros((3, 101, 101), dtype=torch.uint8)
    white[:, 40:61, 40:61] = 255

    def box(drawn: dict[str, float]) -> tuple[float, float, float]:
        rows, columns = np.nonzero(camera(monkeypatch, drawn, white)[..., 0] > 127)
        return float(np.ptp(columns)) + 1, float(columns.mean()), float(rows.mean())

    width, column, row = box({"zoom": 1.0})
    assert (width, column, row) == pytest.approx((21 * 1.15, 50, 50), abs=1)
    assert box({"right": 1.0, "down": 0.0}) == pytest.approx((21, 50 + 5.05, 50 - 5.05), abs=0.5)


def test_black_stays_black_and_grey_changes_as_the_numbers_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flat = torch.zeros((3, 8, 8), dtype=torch.uint8)
    flat[:, 4:] = 100
    brighter = camera(monkeypatch, {"exposure": 1.0, "red": 1.0, "blue": 0.0}, flat)
    assert brighter[:3].max() == 0
    gains = 100 * math.exp(CameraAugmentation.EXPOSURE) * np.array([1.1, 1.0, 0.9])
    assert brighter[-1, -1].tolist() == gains.round().tolist()
    darker = camera(monkeypatch, {"gamma": 1.0}, flat)
    gamma = 255 * (100 / 255) ** math.exp(CameraAugmentation.GAMMA)
    assert darker[-1, -1].tolist() == [round(gamma)] * 3
    flatter = camera(monkeypatch, {"contrast": 0.0}, flat)
    assert flatter[-1, -1].tolist() == [round(255 * 0.4 + (100 - 255 * 0.4) * 0.85)] * 3


@pytest.mark.parametrize(
    "drawn",
    [
        {"blurred": 0.1, "deviation": 1.0},
        {"shrunk": 0.1, "share": 0.0},
        {"compressed": 0.1, "quality": 0.0},
    ],
    ids=["blur", "lost resolution", "JPEG"],
)
def test_a_worse_camera_loses_detail_and_keeps_the_colours(
    monkeypatch: pytest.MonkeyPatch, drawn: dict[str, float]
) -> None:
    side = 320
    image = draw_fundus(2, 0, side).resize((side, side))
    square = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    changed = camera(monkeypatch, drawn, square).astype(float)
    plain = np.array(image, dtype=float)
    assert not np.array_equal(changed, plain)
    assert changed.mean(axis=(0, 1)) == pytest.approx(plain.mean(axis=(0, 1)), abs=1)
    assert np.abs(np.diff(changed, axis=1)).sum() < np.abs(np.diff(plain, axis=1)).sum()


def test_the_camera_draws_from_torchs_generator_and_leaves_the_square() -> None:
    before = SQUARE.clone()
    torch.manual_seed(1)
    first = [CameraAugmentation()(SQUARE) for _ in range(10)]
    torch.manual_seed(1)
    second = [CameraAugmentation()(SQUARE) for _ in range(10)]
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not any(torch.equal(first[0], other) for other in first[1:])
    assert torch.equal(SQUARE, before)
    assert {(each.shape, each.dtype) for each in first} == {(SQUARE.shape, torch.uint8)}
