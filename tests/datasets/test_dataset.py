import doctest
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from retina.datasets import dataset as dataset_module
from retina.datasets.cache import PreparedCache
from retina.datasets.dataset import RetinopathyDataset
from retina.errors import DataError, ImageError
from retina.images.decode import prepare
from retina.images.prepare import Preprocessing
from retina.training.augmentation import LabAugmentation
from tests.datasets.pictures import write_pictures

SETTINGS = Preprocessing(size=48, mean=(0.4, 0.3, 0.2), std=(0.25, 0.2, 0.15))
COUNT = 8


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_pictures(tmp_path_factory.mktemp("data"), [f"{n}.png" for n in range(COUNT)])


def augmented(paths: list[str], seed: int = 0) -> RetinopathyDataset:
    return RetinopathyDataset(paths, [0] * len(paths), SETTINGS, LabAugmentation(), seed)


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(dataset_module).attempted > 0
    assert doctest.testmod(dataset_module).failed == 0


def test_without_augmentation_a_picture_is_what_the_grader_sees(
    paths: list[str], tmp_path: Path
) -> None:
    grades = [number % 5 for number in range(COUNT)]
    for cache in (None, PreparedCache(tmp_path)):
        dataset = RetinopathyDataset(paths, grades, SETTINGS, cache=cache)
        assert len(dataset) == COUNT
        for index in range(COUNT):
            square, grade = dataset[index]
            assert square.dtype == torch.float32
            assert torch.equal(square, torch.from_numpy(prepare(paths[index], SETTINGS))[0])
            assert grade == grades[index]


def test_augmentation_depends_on_seed_and_key_alone(paths: list[str]) -> None:
    dataset = augmented(paths)
    first = [dataset[index, 3][0] for index in range(COUNT)]
    torch.manual_seed(99)
    again = {index: dataset[index, 3][0] for index in reversed(range(COUNT))}
    for index in range(COUNT):
        assert torch.equal(first[index], again[index])
    assert torch.equal(dataset[0][0], dataset[0, 0][0])
    assert torch.equal(dataset[-1, 3][0], first[-1])
    assert not torch.equal(dataset[0, 4][0], first[0])
    assert torch.equal(dataset[0, 3, 0][0], first[0])
    assert not torch.equal(dataset[0, 3, 1][0], first[0])
    assert not torch.equal(augmented(paths, seed=1)[0, 3][0], first[0])


def test_two_copies_of_a_picture_are_augmented_differently(paths: list[str]) -> None:
    dataset = augmented([paths[0]] * 2)
    assert not torch.equal(dataset[0][0], dataset[1][0])


def test_torchs_generator_is_left_as_it_was(paths: list[str]) -> None:
    dataset = augmented(paths)
    before = torch.get_rng_state()
    dataset[0, 1]
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_make_the_same_pictures(paths: list[str], tmp_path: Path) -> None:
    dataset = augmented(paths)
    dataset.cache = PreparedCache(tmp_path)
    batches = [[(0, 2), (5, 2)], [(7, 2), (1, 2)]]
    loader: DataLoader[tuple[Tensor, int]] = DataLoader(
        dataset, batch_sampler=batches, num_workers=2
    )
    for keys, (squares, _) in zip(batches, loader, strict=True):
        for key, square in zip(keys, squares, strict=True):
            assert torch.equal(square, dataset[key][0])


def test_it_can_be_sent_to_a_worker_that_is_spawned(paths: list[str], tmp_path: Path) -> None:
    dataset = augmented(paths)
    dataset.cache = PreparedCache(tmp_path)
    sent: RetinopathyDataset = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(sent[2, 1][0], dataset[2, 1][0])


def test_wrong_arguments_are_refused(paths: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="8 pictures have 1 grades"):
        RetinopathyDataset(paths, [0], SETTINGS)
    with pytest.raises(DataError, match="grade is 5"):
        RetinopathyDataset(paths[:1], [5], SETTINGS)
    with pytest.raises(IndexError):
        augmented(paths)[COUNT]
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ImageError):
        RetinopathyDataset([tmp_path / "text.jpg"], [0], SETTINGS)[0]
