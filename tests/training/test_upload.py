"""Batches arrive on the device in their order, each once, as the grader would see them."""

import numpy as np
import pytest
import torch

from retina.images.prepare import Preprocessing, normalise
from retina.training.upload import upload

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
