from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from retina.datasets.catalog import read_folder
from retina.datasets.dataset import RetinopathyDataset
from retina.evaluation.predict import WithTestTimeAugmentation, predict_logits, predict_with_maps
from retina.explain.cam import forward_with_cam
from tests.checkpoints import small_config, small_network

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures(drawn_data: Path) -> RetinopathyDataset:
    table = read_folder(drawn_data).table.iloc[[6, 1, 4, 0, 9]]
    return RetinopathyDataset(
        table["path"].tolist(), table["grade"].tolist(), small_config().preprocessing
    )


@pytest.mark.parametrize("batch_size", [1, 2, 5, 32])
def test_answers_in_the_order_of_the_pictures(
    pictures: RetinopathyDataset, batch_size: int
) -> None:
    network = small_network()
    answers = predict_logits(network, pictures, CPU, batch_size)
    assert answers.shape == (5, 5)
    assert answers.dtype == np.float32
    with torch.inference_mode():
        one_by_one = [network(pictures[place][0][None])[0].numpy() for place in range(5)]
    np.testing.assert_allclose(answers, one_by_one, rtol=1e-4, atol=1e-4)
    assert np.abs(answers[1:] - answers[:-1]).max(axis=1).min() > 0.01, "they are all alike"


def test_maps_belong_to_the_same_pictures(pictures: RetinopathyDataset) -> None:
    network = small_network()
    logits, maps = predict_with_maps(network, pictures, CPU, batch_size=2)
    np.testing.assert_allclose(logits, predict_logits(network, pictures, CPU), rtol=1e-4, atol=1e-4)
    assert maps.shape == (5, 2, 2)
    assert maps.dtype == np.float32
    for place in range(5):
        _, expected = forward_with_cam(network, pictures[place][0][None])
        np.testing.assert_allclose(maps[place], expected[0], rtol=1e-4, atol=1e-4)


def test_a_network_in_training_is_judged_in_evaluation_mode(pictures: RetinopathyDataset) -> None:
    network = small_network()
    expected = predict_logits(network, pictures, CPU)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    np.testing.assert_array_equal(predict_logits(network, pictures, CPU), expected)
    network.train()
    np.testing.assert_array_equal(predict_with_maps(network, pictures, CPU)[0], expected)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_leaves_the_random_numbers_of_training_alone(pictures: RetinopathyDataset) -> None:
    before = torch.get_rng_state()
    predict_logits(small_network(), pictures, CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_goes_to_stderr_and_only_if_asked_for(
    pictures: RetinopathyDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    predict_logits(small_network(), pictures, CPU)
    assert capsys.readouterr() == ("", "")
    predict_logits(small_network(), pictures, CPU, description="small: grading")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "small: grading" in shown.err


class Remembering(nn.Module):
    """Keeps what it sees; its logits are the corners of the first channel."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.seen.append(pictures)
        return pictures[:, 0, :2, :2].flatten(1)


def test_the_eight_views_are_the_flips_and_quarter_turns() -> None:
    square = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    model = Remembering()
    logits = WithTestTimeAugmentation(model)(square)
    own = {view[1, 2].numpy().tobytes() for view in model.seen}
    image = Image.fromarray(square[1, 2].numpy())
    turned = [image, *(image.transpose(each) for each in Image.Transpose)]
    assert own == {np.asarray(view).tobytes() for view in turned}
    assert len(model.seen) == len(own) == 8
    expected = torch.stack([view[:, 0, :2, :2].flatten(1) for view in model.seen]).mean(dim=0)
    torch.testing.assert_close(logits, expected)


def test_a_photograph_upside_down_gets_the_same_answer() -> None:
    model = WithTestTimeAugmentation(small_network()).eval()
    square = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        upright, turned = model(square), model(torch.rot90(square, 2, dims=(2, 3)))
        single = model.model(square)
    torch.testing.assert_close(turned, upright, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(single, upright, atol=1e-2)
