from pathlib import Path

import pytest

from retina.datasets.cache import PreparedCache
from retina.datasets.channels import channel_statistics
from retina.datasets.synthetic import write_synthetic
from retina.errors import DataError
from retina.training.parts import Parts
from retina.training.unlabelled import find_pictures, prepare


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unlabelled") / "others"
    write_synthetic(folder, count=6, size=64, seed=3)
    (folder / "train.csv").unlink()
    return folder


def test_of_labelled_photographs_only_the_training_part_is_seen(
    photographs: Path, parts: Parts, others: Path
) -> None:
    found = find_pictures([str(photographs)], [str(others)], seed=0)
    training = parts.rows("train")["path"].tolist()
    assert list(found.paths[: found.first]) == training
    assert not set(found.paths) & set(parts.rows("validation")["path"])
    assert not set(found.paths) & set(parts.rows("test")["path"])
    assert [Path(path).name for path in found.paths[found.first :]] == [
        f"drawn{number:06d}.jpg" for number in range(6)
    ]
    assert found.names == ("drawn", "others")


def test_another_seed_is_another_split(photographs: Path) -> None:
    one, two = (find_pictures([str(photographs)], [], seed) for seed in (0, 1))
    assert set(one.paths) != set(two.paths)
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint == find_pictures([str(photographs)], [], 0).fingerprint


def test_colours_are_the_first_folders(photographs: Path, others: Path) -> None:
    cache = PreparedCache()
    found = find_pictures([str(photographs)], [str(others)], 0)
    preprocessing = prepare(found, 64, cache)
    expected = channel_statistics(found.paths[: found.first], preprocessing, cache)
    assert (preprocessing.mean, preprocessing.std) == expected
    swapped = prepare(find_pictures([], [str(others)], 0), 64, cache)
    assert swapped.mean != preprocessing.mean


def test_what_holds_no_photograph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is nothing to learn from"):
        find_pictures([], [], 0)
    with pytest.raises(DataError, match="there is no photograph in"):
        find_pictures([], [str(tmp_path)], 0)
    with pytest.raises(DataError, match="There is no folder"):
        find_pictures([], [str(tmp_path / "nowhere")], 0)
    with pytest.raises(DataError, match="there is no data folder"):
        find_pictures([str(tmp_path / "nowhere")], [], 0)


def test_a_broken_photograph_is_named(tmp_path: Path, others: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(next(others.glob("images/*.jpg")).read_bytes())
    (tmp_path / "b.jpg").write_bytes(b"no photograph")
    found = find_pictures([], [str(tmp_path)], 0)
    with pytest.raises(DataError, match=r"b\.jpg"):
        prepare(found, 64, PreparedCache())
