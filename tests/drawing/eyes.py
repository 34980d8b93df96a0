"""Eyes, cameras and lesions as ``draw_fundus`` makes them of a seed."""

from functools import cache

import numpy as np

from retina.drawing.eye import Camera, Eye, make_camera, make_eye
from retina.drawing.lesions import Lesions, make_lesions

SEEDS = range(8)


@cache
def eye_and_camera(seed: int) -> tuple[Eye, Camera]:
    return (
        make_eye(np.random.default_rng([seed, 0, 0])),
        make_camera(np.random.default_rng([seed, 0, 1])),
    )


@cache
def lesions_of(grade: int, seed: int) -> Lesions:
    return make_lesions(grade, *eye_and_camera(seed), seed)
