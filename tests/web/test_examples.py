from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from retina.images.decode import read_photograph
from retina.images.quality import assess_quality
from retina.web.examples import drawn_examples


def test_drawn_examples_pass_the_gate_as_good(tmp_path: Path) -> None:
    for example in drawn_examples(tmp_path):
        assert assess_quality(read_photograph(example.path)).verdict == "good"


def test_drawn_examples_are_five_different_eyes(tmp_path: Path) -> None:
    colours = []
    for example in drawn_examples(tmp_path):
        with Image.open(example.path) as picture:
            assert picture.height == 640
            colours.append(np.asarray(picture).mean(axis=(0, 1)))
    apart = [np.abs(first - second).max() for first, second in combinations(colours, 2)]
    assert min(apart) > 3
