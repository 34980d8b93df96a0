import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from retina.evaluation.eight_views import EightViews
from tests.checkpoints import small_network


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
    logits = EightViews(model)(square)
    own = {view[1, 2].numpy().tobytes() for view in model.seen}
    image = Image.fromarray(square[1, 2].numpy())
    turned = [image, *(image.transpose(each) for each in Image.Transpose)]
    assert own == {np.asarray(view).tobytes() for view in turned}
    assert len(model.seen) == len(own) == 8
    expected = torch.stack([view[:, 0, :2, :2].flatten(1) for view in model.seen]).mean(dim=0)
    torch.testing.assert_close(logits, expected)


def test_a_photograph_upside_down_gets_the_same_answer() -> None:
    model = EightViews(small_network()).eval()
    square = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        upright, turned = model(square), model(torch.rot90(square, 2, dims=(2, 3)))
        single = model.model(square)
    torch.testing.assert_close(turned, upright, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(single, upright, atol=1e-2)
