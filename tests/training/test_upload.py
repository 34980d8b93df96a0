"""Batches arrive on the device in their order, each once."""

import pytest
import torch

from retina.training.upload import upload

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [0, 1, 4])
def test_each_batch_arrives_once_in_order_and_channels_last(device: str, count: int) -> None:
    batches = [(torch.full((2, 3, 4, 4), float(n)), torch.tensor([n, n + 1])) for n in range(count)]

    arrived = [(p.clone(), g.clone()) for p, g in upload(batches, torch.device(device))]

    assert len(arrived) == count
    for (pictures, grades), (sent, sent_grades) in zip(arrived, batches, strict=True):
        assert pictures.device.type == device
        assert pictures.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(pictures.cpu(), sent)
        assert torch.equal(grades.cpu(), sent_grades)
