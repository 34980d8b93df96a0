from pathlib import Path

import pytest

from retina.datasets.synthetic import draw_fundus
from retina.images import photograph as module
from retina.images.decode import read_photograph
from retina.images.field_of_view import find_retina
from retina.images.photograph import Photograph
from retina.images.prepare import Preprocessing, prepare_square
from retina.images.quality import assess_quality


@pytest.fixture
def photograph(tmp_path: Path) -> Photograph:
    path = tmp_path / "eye.png"
    draw_fundus(2, seed=1, size=300).save(path)
    return read_photograph(path)


def test_everything_is_what_each_model_would_find_by_itself(photograph: Photograph) -> None:
    whole = Preprocessing(size=64, crop=False)
    for settings in (Preprocessing(size=96), whole):
        expected = prepare_square(photograph.image, settings)
        assert photograph.square(settings).tobytes() == expected.tobytes()
    assert photograph.quality == assess_quality(photograph.image)
    assert photograph.box(Preprocessing()) == find_retina(photograph.image).box
    assert photograph.box(whole) == (0, 0, *photograph.image.size)


def test_each_part_is_made_once(photograph: Photograph, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counting(name: str) -> None:
        made = getattr(module, name)

        def counted(*values: object) -> object:
            calls.append(name)
            return made(*values)

        monkeypatch.setattr(module, name, counted)

    for name in ("find_retina", "assess_quality", "prepare_square"):
        counting(name)
    # Two models at one size that differ in the colours they were trained on, and one at another.
    for settings in (
        Preprocessing(size=64),
        Preprocessing(size=64, mean=(0.5, 0.5, 0.5)),
        Preprocessing(size=96),
    ):
        photograph.square(settings)
        assert photograph.quality
    assert sorted(calls) == ["assess_quality", "find_retina", "prepare_square", "prepare_square"]
