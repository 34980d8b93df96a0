import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retina.assessment import Quality
from retina.datasets import cache as cache_module
from retina.datasets.cache import PreparedCache, prepared_square
from retina.datasets.catalog import read_folder
from retina.datasets.parallel import Unreadable
from retina.evaluation.gate import verdicts
from retina.images.decode import read_photograph
from retina.images.photograph import Photograph
from retina.images.prepare import Preprocessing

SETTINGS = Preprocessing(size=32)


@pytest.fixture
def paths(drawn_data: Path) -> list[str]:
    return read_folder(drawn_data).table["path"].tolist()[:4]


def test_the_verdicts_are_those_of_the_gate_in_order(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict(zip((Path(path).name for path in paths), "ABCD", strict=True))

    def quality(photograph: Photograph) -> Quality:
        return Quality(given[photograph.name], 0.5)  # type: ignore[arg-type]

    monkeypatch.setattr(Photograph, "quality", property(quality))
    assert verdicts(paths, SETTINGS, PreparedCache()) == list("ABCD")


def test_the_verdict_is_the_graders(paths: list[str]) -> None:
    expected = [read_photograph(path, at_least=64).quality.verdict for path in paths]
    assert verdicts(paths, SETTINGS, PreparedCache()) == expected


def test_a_photograph_is_decoded_once_and_its_square_kept(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [prepared_square(path, SETTINGS) for path in paths]
    decoded = []

    def counted(path: str, at_least: int) -> Photograph:
        decoded.append(path)
        return read_photograph(path, at_least=at_least)

    def again(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(cache_module, "read_photograph", counted)
    monkeypatch.setattr("retina.datasets.cache.load_fundus", again)
    cache = PreparedCache(tmp_path)
    verdicts(paths, SETTINGS, cache)
    assert sorted(decoded) == sorted(paths)
    for path, square in zip(paths, expected, strict=True):
        np.testing.assert_array_equal(cache.square(path, SETTINGS), square)


def test_why_a_photograph_cannot_be_read(tmp_path: Path, paths: list[str]) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photograph")
    first, second = verdicts([str(broken), paths[0]], SETTINGS, PreparedCache())
    assert isinstance(first, Unreadable)
    assert "broken.jpg holds text" in first.reason
    assert isinstance(second, str)


def test_no_photograph_at_all() -> None:
    assert verdicts([], SETTINGS, PreparedCache()) == []


def test_the_processes_that_decode_need_no_pytorch() -> None:
    code = (
        "import sys; from retina.datasets.cache import verdict; "
        "sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
