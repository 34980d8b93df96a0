import math
import pickle

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from retina.datasets.synthetic import draw_fundus
from retina.datasets.transforms import LabAugmentation, StrongAugmentation

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

    monkeypatch.setattr("retina.datasets.transforms._rotate", recorded)
    torch.manual_seed(0)
    for _ in range(2000):
        LabAugmentation()(corners)
    assert np.bincount(places, minlength=4) == pytest.approx([500] * 4, abs=80)
    histogram, _ = np.histogram(angles, bins=6, range=(-90, 90))
    assert histogram.sum() == 2000
    assert histogram == pytest.approx([2000 / 6] * 6, abs=80)


@pytest.mark.parametrize("kind", [LabAugmentation, StrongAugmentation])
def test_it_can_be_sent_to_another_process(kind: type) -> None:
    assert isinstance(pickle.loads(pickle.dumps(kind())), kind)


# What each of the strong augmentation's random numbers means; 0.5 is the middle of a range.
UNCHANGED = {
    **{"mirror": 0.9, "turn": 0.0, "zoom": 0.5, "right": 0.5, "down": 0.5},
    "exposure": 0.5,
    **{f"{what}_{colour}": 0.5 for what in ("gain", "gamma") for colour in "rgb"},
    **{"blur": 0.9, "erase": 0.9, "radius": 0.5, "width": 0.5, "height": 0.5},
    **{"left": 0.5, "top": 0.5, "noise": 0.5},
}


def strong(
    monkeypatch: pytest.MonkeyPatch, drawn: dict[str, float], square: Tensor = SQUARE
) -> npt.NDArray[np.uint8]:
    numbers = iter((UNCHANGED | drawn).values())

    def rand(*shape: int) -> Tensor:
        wanted = torch.empty(*shape)
        return torch.tensor([next(numbers) for _ in range(wanted.numel())]).reshape(wanted.shape)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "rand", rand)
        changed = StrongAugmentation()(square).permute(1, 2, 0).numpy()
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
        ({"turn": 0.5, "mirror": 0.1}, DRAWN[::-1]),
    ],
)
def test_strong_mirrors_and_quarter_turns_are_exact(
    monkeypatch: pytest.MonkeyPatch,
    drawn: dict[str, float],
    expected: npt.NDArray[np.uint8],
) -> None:
    changed = strong(monkeypatch, drawn).astype(int)
    # A pixel that was to be taken from exactly the border may come out black.
    np.testing.assert_allclose(changed[1:-1, 1:-1], expected[1:-1, 1:-1].astype(int), atol=1)


def test_strong_turns_as_pillow_does(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = np.asarray(Image.fromarray(DRAWN).rotate(-30, Image.Resampling.BILINEAR))
    changed = strong(monkeypatch, {"turn": 30 / 360})
    assert np.abs(changed.astype(int) - expected).max() <= 2


def test_strong_scales_and_shifts_about_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    side = 200
    dot = torch.zeros((3, side, side), dtype=torch.uint8)
    dot[:, 80:120, 80:120] = 255

    def box(**drawn: float) -> tuple[float, float, float]:
        lit = np.nonzero(strong(monkeypatch, drawn, dot)[..., 0] > 127)
        return lit[0].mean() + 0.5, lit[1].mean() + 0.5, len(lit[0]) ** 0.5

    assert box() == pytest.approx((100, 100, 40))
    scale, shift = 40 * StrongAugmentation.SCALE, side * StrongAugmentation.SHIFT
    assert box(zoom=1.0) == pytest.approx((100, 100, 40 + scale), abs=1)
    assert box(zoom=0.0) == pytest.approx((100, 100, 40 - scale), abs=1)
    assert box(right=1.0) == pytest.approx((100, 100 - shift, 40), abs=1)
    assert box(down=0.0) == pytest.approx((100 + shift, 100, 40), abs=1)


def test_strong_gives_each_channel_a_gain_and_a_gamma(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = torch.full((3, 8, 8), 128, dtype=torch.uint8)
    pixel = strong(monkeypatch, {"gain_r": 1.0, "gamma_g": 1.0, "gain_b": 0.0}, grey)[4, 4]
    gain = StrongAugmentation.GAIN
    gamma = 255 * (128 / 255) ** math.exp(StrongAugmentation.GAMMA)
    np.testing.assert_allclose(pixel, [128 * (1 + gain), gamma, 128 * (1 - gain)], atol=0.51)
    white = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    assert strong(monkeypatch, {"gain_r": 1.0}, white)[4, 4].tolist() == [255, 255, 255]


def test_exposure_is_all_channels_together(monkeypatch: pytest.MonkeyPatch) -> None:
    colour = torch.tensor([20, 80, 140], dtype=torch.uint8).reshape(3, 1, 1).expand(3, 8, 8)
    pixel = strong(monkeypatch, {"exposure": 1.0}, colour)[4, 4]
    exposure = math.exp(StrongAugmentation.EXPOSURE)
    np.testing.assert_allclose(pixel, [20 * exposure, 80 * exposure, 140 * exposure], atol=0.51)


def test_noise_is_gaussian_and_each_pixels_own(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = torch.full((3, SIZE, SIZE), 110, dtype=torch.uint8)
    torch.manual_seed(0)
    changed = strong(monkeypatch, {"noise": 1.0}, grey)[1:-1, 1:-1].reshape(-1, 3).astype(float)
    assert changed.mean(axis=0) == pytest.approx([110] * 3, abs=1)
    assert changed.std(axis=0) == pytest.approx([StrongAugmentation.NOISE] * 3, rel=0.05)
    assert np.abs(np.corrcoef(changed.T)[0, 1:]).max() < 0.1
    assert (strong(monkeypatch, {"noise": 0.1}, grey)[1:-1, 1:-1] == 110).all()


def test_strong_leaves_black_black(monkeypatch: pytest.MonkeyPatch) -> None:
    black = torch.zeros((3, 8, 8), dtype=torch.uint8)
    assert strong(monkeypatch, {"gain_r": 1.0, "gamma_g": 0.0, "turn": 0.3}, black).max() == 0


def test_strong_blurs_as_pillow_does(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = strong(monkeypatch, {"blur": 0.05, "radius": 1.0})
    radius = SIZE * StrongAugmentation.BLUR_RADIUS
    expected = np.asarray(Image.fromarray(DRAWN).filter(ImageFilter.GaussianBlur(radius)))
    np.testing.assert_array_equal(changed[2:-2, 2:-2], expected[2:-2, 2:-2])
    assert (changed != DRAWN).any()


def test_strong_erases_a_box_within_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    white = torch.full((3, SIZE, SIZE), 255, dtype=torch.uint8)
    box = {"erase": 0.05, "width": 0.999, "height": 0.5}
    for left, top in ((0.0, 0.0), (0.999, 0.999), (0.3, 0.7)):
        changed = strong(monkeypatch, {**box, "left": left, "top": top}, white)
        black = (changed == 0).all(axis=2)
        rows, columns = black.any(axis=1), black.any(axis=0)
        assert (black == np.outer(rows, columns)).all()
        longest = StrongAugmentation.ERASED_SIDE * SIZE
        assert columns.sum() == pytest.approx(longest, abs=1)
        assert rows.sum() == pytest.approx(longest / 2, abs=1)
        assert np.diff(np.flatnonzero(rows)).max() == np.diff(np.flatnonzero(columns)).max() == 1


def test_strong_keeps_shape_type_and_the_square_given() -> None:
    before = SQUARE.clone()
    torch.manual_seed(0)
    changed = [StrongAugmentation()(SQUARE) for _ in range(30)]
    assert all(square.shape == SQUARE.shape and square.dtype == torch.uint8 for square in changed)
    assert all((square != SQUARE).any() for square in changed)
    assert torch.equal(SQUARE, before)


def test_strong_depends_on_torchs_generator_alone() -> None:
    torch.manual_seed(7)
    first = [StrongAugmentation()(SQUARE) for _ in range(10)]
    np.random.default_rng(0)
    torch.manual_seed(7)
    second = [StrongAugmentation()(SQUARE) for _ in range(10)]
    assert all(map(torch.equal, first, second))


def test_half_of_the_strong_pictures_have_noise() -> None:
    grey = torch.full((3, SIZE, SIZE), 110, dtype=torch.uint8)
    torch.manual_seed(0)
    middle = slice(SIZE // 3, -SIZE // 3)
    noisy = sum(
        float(StrongAugmentation()(grey)[0, middle, middle].float().diff().abs().median()) > 0
        for _ in range(200)
    )
    assert 60 < noisy < 120
