import numpy as np

from tests.drawing.eyes import SEEDS, eye_and_camera


def test_the_disc_lies_nasally_of_the_fovea_in_left_and_right_eyes() -> None:
    eyes = [eye_and_camera(seed)[0] for seed in range(20)]
    assert {eye.right for eye in eyes} == {True, False}
    assert all((eye.disc[0] > eye.fovea[0]) == eye.right for eye in eyes)


def test_vessels_converge_on_the_disc() -> None:
    for seed in SEEDS:
        eye, _ = eye_and_camera(seed)
        for vein in (True, False):
            roots = [
                np.hypot(*(vessel.points[0] - eye.disc))
                for vessel in eye.vessels
                if vessel.vein == vein
            ]
            assert sum(root < eye.disc_radius for root in roots) >= 4


def test_vessels_taper_and_branches_are_thinner_than_trunks() -> None:
    for seed in SEEDS:
        vessels = eye_and_camera(seed)[0].vessels
        assert all(vessel.widths[-1] <= vessel.widths.max() for vessel in vessels)
        widest = sorted((vessel.widths.max() for vessel in vessels), reverse=True)
        assert widest[4] > 2 * np.median(widest)


def test_arteries_are_thinner_than_veins() -> None:
    for seed in SEEDS:
        vessels = eye_and_camera(seed)[0].vessels
        vein, artery = (
            max(vessel.widths.max() for vessel in vessels if vessel.vein == kind)
            for kind in (True, False)
        )
        assert 0.5 < artery / vein < 0.9


def test_arcades_leave_the_macula_free() -> None:
    for seed in SEEDS:
        eye, _ = eye_and_camera(seed)
        away = {
            wide: min(
                np.hypot(*(vessel.points - eye.fovea).T).min()
                for vessel in eye.vessels
                if not wide or vessel.widths[0] > 0.02
            )
            for wide in (True, False)
        }
        assert away[True] > 0.3
        assert away[False] > 0.1
        assert len(eye.vessels) > 40
