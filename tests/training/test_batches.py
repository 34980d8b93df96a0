"""Batches arrive on the device in their order, each once, as the grader would see them."""

from collections import Counter
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from retina.errors import SettingsError
from retina.images.prepare import Preprocessing, normalise
from retina.training.batches import SAMPLINGS, EpochBatches, Sampling, upload

SIZES = (50, 10, 25, 5, 7)
GRADES = [grade for grade, size in enumerate(SIZES) for _ in range(size)]


def batches(sampling: Sampling = "none", epoch: int = 0, **changes: int) -> list[list[int]]:
    values: dict[str, Any] = {"batch_size": 4, "seed": 0} | changes
    sampler = EpochBatches(GRADES, sampling=sampling, **values)
    sampler.epoch = epoch
    drawn = list(sampler)
    assert {of for batch in drawn for _, of, _ in batch} == {epoch}
    assert len(drawn) == len(sampler)
    return [[index for index, *_ in batch] for batch in drawn]


def epoch_of(sampling: Sampling, epoch: int = 0, seed: int = 0) -> list[int]:
    return list(chain.from_iterable(batches(sampling, epoch, batch_size=1, seed=seed)))


def by_grade(indices: list[int]) -> list[int]:
    counts = Counter(GRADES[index] for index in indices)
    return [counts[grade] for grade in range(5)]


def test_none_takes_every_picture_once() -> None:
    assert sorted(epoch_of("none")) == list(range(len(GRADES)))


def test_over_repeats_the_rare_ones_evenly() -> None:
    seen = Counter(epoch_of("over"))
    assert by_grade(list(seen.elements())) == [50] * 5
    for grade, size in enumerate(SIZES):
        times = [seen[index] for index, other in enumerate(GRADES) if other == grade]
        assert set(times) <= {50 // size, -(-50 // size)}


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_picture_that_comes_again_has_another_key(sampling: Sampling) -> None:
    shares = [EpochBatches(GRADES, 4, 0, sampling, rank, 2) for rank in range(2)]
    keys = [key for share in shares for batch in share for key in batch]
    assert len(set(keys)) == len(keys)
    often = Counter(index for index, *_ in keys)
    assert {before for *_, before in keys} == set(range(max(often.values())))
    assert (max(often.values()) > 1) == (sampling not in ("none", "under"))


def test_under_takes_as_many_of_each_grade_as_the_rarest_has_and_others_each_epoch() -> None:
    drawn = [epoch_of("under", epoch) for epoch in range(40)]
    for indices in drawn:
        assert by_grade(indices) == [5] * 5
        assert len(set(indices)) == 25
    assert len(set(chain.from_iterable(drawn))) > 0.9 * len(GRADES)


@pytest.mark.parametrize("sampling", ["balanced", "sqrt"])
def test_drawing_with_replacement_has_the_wanted_shares(sampling: Sampling) -> None:
    epochs = [epoch_of(sampling, epoch) for epoch in range(100)]
    assert {len(indices) for indices in epochs} == {len(GRADES)}
    drawn = list(chain.from_iterable(epochs))
    weights = np.ones(5) if sampling == "balanced" else np.sqrt(SIZES)
    expected = weights / weights.sum() * len(drawn)
    assert by_grade(drawn) == pytest.approx(expected.tolist(), abs=4 * np.sqrt(len(drawn) / 5))
    # Within a grade every picture is as likely as another.
    often = Counter(index for index in drawn if GRADES[index] == 3)
    assert len(often) == 5
    assert max(often.values()) < 1.3 * min(often.values())


SOURCES = ["a"] * 70 + ["b"] * 27
"""Of the pictures of GRADES: the last 15 of grade 2 and all of grades 3 and 4 are of ``b``."""


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_one_source_gives_what_no_source_gives(sampling: Sampling) -> None:
    plain = EpochBatches(GRADES, 4, 0, sampling)
    named = EpochBatches(GRADES, 4, 0, sampling, sources=["a"] * len(GRADES))
    assert list(plain) == list(named)


@pytest.mark.parametrize("sampling", ["balanced", "sqrt"])
def test_sources_are_drawn_as_grades_are(sampling: Sampling) -> None:
    power = 0.0 if sampling == "balanced" else 0.5
    sampler = EpochBatches(GRADES, 1, 0, sampling, sources=SOURCES)
    drawn = []
    for sampler.epoch in range(100):
        drawn += [index for ((index, *_),) in sampler]
    counts = Counter((SOURCES[index], GRADES[index]) for index in drawn)
    cells = Counter(zip(SOURCES, GRADES, strict=True))
    for source in "ab":
        share = SOURCES.count(source) ** power / sum(SOURCES.count(s) ** power for s in "ab")
        own = {grade: size**power for (s, grade), size in cells.items() if s == source}
        for grade, weight in own.items():
            expected = len(drawn) * share * weight / sum(own.values())
            assert counts[source, grade] == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_without_balancing_every_picture_of_every_source_comes_once() -> None:
    sampler = EpochBatches(GRADES, 1, 0, "none", sources=SOURCES)
    assert sorted(index for ((index, *_),) in sampler) == list(range(len(GRADES)))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_seed_and_epoch_decide_the_order(sampling: Sampling) -> None:
    assert batches(sampling, epoch=3, seed=1) == batches(sampling, epoch=3, seed=1)
    orders = [batches(sampling, epoch, seed=seed) for epoch in (0, 1) for seed in (0, 1)]
    assert all(orders.count(order) == 1 for order in orders)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_processes_share_each_batch_without_rest_or_doubles(sampling: Sampling) -> None:
    whole = batches(sampling, epoch=2, batch_size=12)
    shares = [
        batches(sampling, epoch=2, batch_size=12, rank=rank, processes=3) for rank in range(3)
    ]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert [len(part) for part in parts] == [4, 4, 4]
        assert sorted(chain(*parts)) == sorted(batch)


def test_few_pictures_are_shared_evenly_or_not_at_all() -> None:
    shares = [list(EpochBatches([0] * 8, 12, 0, "none", rank, 3)) for rank in range(3)]
    assert [[len(batch) for batch in share] for share in shares] == [[2]] * 3
    with pytest.raises(SettingsError, match="2 training images are too few for 3 processes"):
        EpochBatches([0, 1], 12, 0, processes=3)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_an_epoch_goes_on_from_any_batch(sampling: Sampling) -> None:
    whole = batches(sampling, epoch=1)
    sampler = EpochBatches(GRADES, 4, 0, sampling)
    sampler.epoch = 1
    for first in range(len(whole) + 1):
        sampler.first_batch = first
        assert [[index for index, *_ in batch] for batch in sampler] == whole[first:]
        assert len(sampler) == len(whole)


def test_a_last_batch_that_is_not_full_is_left_out() -> None:
    assert [len(batch) for batch in batches(batch_size=32)] == [32] * 3
    assert [len(batch) for batch in batches(batch_size=97)] == [97]


def test_the_only_batch_may_be_smaller() -> None:
    assert [len(batch) for batch in batches(batch_size=1000)] == [len(GRADES)]


def test_grades_that_never_occur_do_no_harm() -> None:
    for sampling in SAMPLINGS:
        drawn = list(EpochBatches([4, 4, 4, 1], 1, 0, sampling))
        assert {index for batch in drawn for index, *_ in batch} <= {0, 1, 2, 3}
    assert len(EpochBatches([4, 4, 4, 1], 1, 0, "under")) == 2
    assert len(EpochBatches([4, 4, 4, 1], 1, 0, "over")) == 6


def test_a_loader_takes_it() -> None:
    sampler = EpochBatches([0, 1, 2, 3], 2, 0)
    keys: Any = {(index, 0, 0): index for index in range(4)}
    loader = DataLoader[Any](keys, batch_sampler=sampler)
    assert sorted(int(key) for batch in loader for key in batch) == [0, 1, 2, 3]


DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    ),
]
PREPROCESSING = Preprocessing(size=32, mean=(0.41, 0.22, 0.07), std=(0.28, 0.15, 0.08))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [0, 1, 4])
def test_each_batch_arrives_once_in_order_and_normalised(device: str, count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    squares = torch.randint(0, 256, (count, 2, 32, 32, 3), generator=generator, dtype=torch.uint8)
    grades = torch.arange(2 * count).reshape(count, 2)
    sent = list(zip(squares, grades, strict=True))

    arrived = [
        (pictures.clone(), answers.clone())
        for pictures, answers in upload(sent, PREPROCESSING, torch.device(device))
    ]

    assert len(arrived) == count
    for (pictures, answers), (batch, wanted) in zip(arrived, sent, strict=True):
        expected = np.stack([normalise(square, PREPROCESSING) for square in batch.numpy()])
        assert pictures.device.type == device
        assert pictures.is_contiguous(memory_format=torch.channels_last)
        np.testing.assert_array_equal(pictures.cpu().numpy(), expected)
        assert torch.equal(answers.cpu(), wanted)
