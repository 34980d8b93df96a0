from pathlib import Path

import numpy as np
import pytest

from retina.datasets import parallel
from retina.datasets.cache import PreparedCache
from retina.datasets.channels import channel_statistics
from retina.errors import DataError
from retina.images.decode import load_fundus
from retina.images.prepare import Preprocessing, prepare_square
from tests.datasets.pictures import write_pictures


@pytest.mark.parametrize("worth_processes", [2, 100])
def test_mean_and_deviation_are_numpys_over_all_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worth_processes: int
) -> None:
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", worth_processes)
    settings = Preprocessing(size=32)
    paths = write_pictures(tmp_path, [f"{number}.png" for number in range(4)])
    squares = [np.asarray(prepare_square(load_fundus(path), settings)) for path in paths]
    pixels = np.stack(squares) / 255
    mean, std = channel_statistics(paths, settings, PreparedCache(tmp_path / "cache"))
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(std, pixels.std(axis=(0, 1, 2)), atol=1e-9)
    assert channel_statistics(paths[::-1], settings) == (mean, std)


def test_no_picture_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(DataError, match="no picture"):
        channel_statistics([], Preprocessing())
    with pytest.raises(DataError, match=r"text\.jpg"):
        channel_statistics([tmp_path / "text.jpg"], Preprocessing())
