"""What a drawn photograph shows, measured in its pixels."""

import numpy as np
import numpy.typing as npt

from retina.datasets.synthetic import draw_fundus
from tests.drawing.eyes import SEEDS, eye_and_camera

SIZE = 256
GREEN = 1


class Picture:
    """A healthy eye, and where in it things are."""

    def __init__(self, seed: int) -> None:
        self.eye, self.camera = eye_and_camera(seed)
        self.pixels = np.asarray(draw_fundus(0, seed, SIZE), np.float64)
        height, width, _ = self.pixels.shape
        rows, columns = np.mgrid[:height, :width] + 0.5
        self.scale = SIZE * self.camera.radius
        self.x, self.y = (columns - width / 2) / self.scale, (rows - height / 2) / self.scale

    def away(self, centre: tuple[float, float]) -> npt.NDArray[np.float64]:
        return np.asarray(np.hypot(self.x - centre[0], self.y - centre[1]))

    def at(self, points: npt.NDArray[np.float64], channel: int) -> npt.NDArray[np.float64]:
        """The channel at relative points that the picture shows, away from disc and border."""
        shown = (np.hypot(*points.T) < 0.85) & (np.abs(points[:, 1]) < 0.45 / self.camera.radius)
        shown &= np.hypot(*(points - self.eye.disc).T) > 1.5 * self.eye.disc_radius
        height, width, _ = self.pixels.shape
        columns, rows = (points[shown] * self.scale + (width / 2, height / 2)).astype(int).T
        return np.asarray(self.pixels[rows, columns, channel])


def test_the_disc_is_brighter_than_the_fundus_around_it() -> None:
    for seed in SEEDS:
        picture = Picture(seed)
        r = picture.away(picture.eye.disc) / picture.eye.disc_radius
        seen = np.hypot(picture.x, picture.y) < 0.95
        green = picture.pixels[..., GREEN]
        assert np.median(green[(r < 0.8) & seen]) > 1.2 * np.median(
            green[(r > 1.6) & (r < 2) & seen]
        )


def test_the_fovea_is_darker_than_the_macula_around_it() -> None:
    for seed in SEEDS:
        picture = Picture(seed)
        r = picture.away(picture.eye.fovea)
        green = picture.pixels[..., GREEN]
        assert np.median(green[r < 0.04]) < 0.95 * np.median(green[(r > 0.2) & (r < 0.25)])


def test_veins_are_darker_than_arteries_and_these_than_what_lies_beside_them() -> None:
    contrasts = []
    for seed in SEEDS:
        picture = Picture(seed)
        levels = {}
        for vein in (True, False):
            trunks = [
                vessel.points
                for vessel in picture.eye.vessels
                if vessel.vein == vein and vessel.widths[0] > 0.012
            ]
            levels[vein] = np.median(picture.at(np.concatenate(trunks), GREEN))
            beside = np.median(
                np.concatenate([picture.at(points + 0.035, GREEN) for points in trunks])
            )
            contrasts.append((vein, levels[vein] / beside))
    veins, arteries = (
        np.median([ratio for kind, ratio in contrasts if kind == vein]) for vein in (True, False)
    )
    assert veins < arteries < 0.95


def test_the_surround_is_black() -> None:
    for seed in SEEDS:
        picture = Picture(seed)
        outside = np.hypot(picture.x, picture.y) > 1.08
        assert picture.pixels[outside].mean() < 3


def test_the_light_is_uneven_and_the_tint_varies_by_eye() -> None:
    tints, unevenness = [], []
    for seed in range(16):
        picture = Picture(seed)
        r = np.hypot(picture.x, picture.y)
        level = picture.pixels.mean(axis=2)
        around = np.arctan2(picture.y, picture.x)
        sectors = [
            level[(r > 0.5) & (r < 0.8) & (np.abs(around - middle) < 0.4)].mean()
            for middle in (-2.4, -0.8, 0.8, 2.4)
        ]
        unevenness.append(max(sectors) / min(sectors))
        colour = picture.pixels[r < 0.9].mean(axis=0)
        tints.append(colour / colour.sum())
    assert np.median(unevenness) > 1.1
    assert (np.std(tints, axis=0) > 0.01).all()
