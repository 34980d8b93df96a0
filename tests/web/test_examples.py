from pathlib import Path

from retina.images.decode import read_photograph
from retina.web.examples import drawn_examples


def test_drawn_examples_pass_the_gate_as_good(tmp_path: Path) -> None:
    for example in drawn_examples(tmp_path):
        assert read_photograph(example.path).quality.verdict == "good"
