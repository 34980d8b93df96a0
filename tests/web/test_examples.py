from pathlib import Path

from retina.images.decode import read_photograph
from retina.images.quality import assess_quality
from retina.web.examples import drawn_examples


def test_drawn_examples_pass_the_gate_as_good(tmp_path: Path) -> None:
    for example in drawn_examples(tmp_path):
        assert assess_quality(read_photograph(example.path)).verdict == "good"
