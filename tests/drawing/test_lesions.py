import numpy as np
import pytest

from retina.drawing.canvas import Shape
from tests.drawing.eyes import SEEDS, eye_and_camera, lesions_of


def test_a_healthy_eye_has_no_lesion() -> None:
    for seed in SEEDS:
        assert not any(map(len, vars(lesions_of(0, seed)).values()))


def test_mild_is_microaneurysms_only() -> None:
    for seed in SEEDS:
        kinds = {name for name, found in vars(lesions_of(1, seed)).items() if len(found)}
        assert kinds == {"microaneurysms"}


def test_moderate_is_more_than_microaneurysms_and_less_than_severe() -> None:
    for seed in SEEDS:
        lesions = lesions_of(2, seed)
        assert len(lesions.microaneurysms) > len(lesions_of(1, seed).microaneurysms)
        assert lesions.exudates
        assert 0 < len(lesions.haemorrhages) <= 20
        assert not len(lesions.beaded)
        assert not lesions.irma
        assert not lesions.new_vessels
        assert not lesions.preretinal


def quadrants(shapes: tuple[Shape, ...]) -> list[int]:
    centres = np.array([shape.outline.mean(axis=0) for shape in shapes])
    return [
        int(((centres[:, 0] > 0) == right).astype(int) @ ((centres[:, 1] > 0) == low).astype(int))
        for right in (False, True)
        for low in (False, True)
    ]


def test_severe_is_the_4_2_1_rule() -> None:
    for seed in SEEDS:
        lesions = lesions_of(3, seed)
        assert min(quadrants(lesions.haemorrhages)) > 20
        assert len(lesions.beaded) >= 2
        assert lesions.irma
        assert lesions.cotton_wool_spots
        assert not lesions.new_vessels
        assert not lesions.preretinal


def test_proliferative_has_new_vessels_or_preretinal_blood() -> None:
    found = [lesions_of(4, seed) for seed in range(20)]
    assert all(lesions.new_vessels or lesions.preretinal for lesions in found)
    assert any(lesions.new_vessels and lesions.preretinal for lesions in found)


def test_new_vessels_grow_at_the_disc_of_some_and_elsewhere_in_others() -> None:
    at_the_disc = []
    for seed in range(20):
        eye, _ = eye_and_camera(seed)
        if new := lesions_of(4, seed).new_vessels:
            roots = [np.hypot(*(vessel.points[0] - eye.disc)) for vessel in new]
            at_the_disc.append(min(roots) < eye.disc_radius)
    assert {True, False} == set(at_the_disc)


@pytest.mark.parametrize("kind", ["microaneurysms", "haemorrhages", "exudates"])
def test_lesions_grow_in_number_up_to_severe(kind: str) -> None:
    numbers = [
        np.mean([len(getattr(lesions_of(grade, seed), kind)) for seed in range(30)])
        for grade in range(4)
    ]
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[3]


def test_lesions_lie_on_the_retina_that_the_picture_shows() -> None:
    for seed in SEEDS:
        _, camera = eye_and_camera(seed)
        lesions = lesions_of(3, seed)
        for shape in lesions.haemorrhages + lesions.microaneurysms:
            x, y = shape.outline.mean(axis=0)
            assert np.hypot(x, y) < 0.95
            assert abs(y) < camera.visible_half_height


def test_exudates_keep_together() -> None:
    for seed in SEEDS:
        centres = np.array([shape.outline.mean(axis=0) for shape in lesions_of(2, seed).exudates])
        apart = np.hypot(*(centres[:, None] - centres).transpose(2, 0, 1))
        np.fill_diagonal(apart, np.inf)
        assert np.median(apart.min(axis=1)) < 0.03
