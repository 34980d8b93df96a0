import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from retina.errors import SettingsError
from retina.explain.cam import forward_with_cam
from retina.files import user_cache_folder
from retina.models import engines as onnx_runtime
from retina.models.architectures import build
from retina.models.checkpoint import Checkpoint, load_checkpoint
from retina.models.engines import OnnxRuntimeNetwork, folded, network_for_grading
from tests.checkpoints import SIZE
from tests.models.test_resnet import lived_in


def test_an_unknown_engine_is_named_with_the_known_ones(checkpoints: Path) -> None:
    with pytest.raises(SettingsError, match=r"no engine 'steam'.*torch, onnxruntime"):
        network_for_grading(load_checkpoint("small", checkpoints), "steam")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_lite0"])
def test_a_folded_network_gives_the_same_logits_and_heatmap(name: str) -> None:
    torch.manual_seed(0)
    model = lived_in(build(name))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(2, 3, 97, 64)
    quick = folded(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
    for given, expected in zip(forward_with_cam(quick, x), forward_with_cam(model, x), strict=True):
        assert expected.std() > 0
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)
    assert model.state_dict().keys() == before.keys()
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.fixture
def checkpoint(checkpoints: Path) -> Checkpoint:
    return load_checkpoint("small", checkpoints)


@pytest.fixture
def network(checkpoint: Checkpoint) -> OnnxRuntimeNetwork:
    return OnnxRuntimeNetwork(checkpoint).eval()


@pytest.fixture
def exports(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes that were exported meanwhile."""
    sizes: list[int] = []

    def counting(checkpoint: Checkpoint) -> bytes:
        sizes.append(checkpoint.config.preprocessing.size)
        return kept_before

    kept_before = kept(checkpoint).read_bytes()[32:]
    monkeypatch.setattr(onnx_runtime, "evidence_as_onnx", counting)
    return sizes


def kept(checkpoint: Checkpoint) -> Path:
    (file,) = (user_cache_folder() / "onnx").glob(f"*-{SIZE}/{checkpoint.config.weights_sha256}")
    return file


def photographs(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    pictures = torch.randn(count, 3, SIZE, SIZE, generator=generator)
    return pictures.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("count", [1, 3])
def test_answers_and_explains_as_pytorch_does(
    checkpoint: Checkpoint, network: OnnxRuntimeNetwork, count: int
) -> None:
    logits, heatmap = forward_with_cam(network, photographs(count))
    expected, expected_heatmap = forward_with_cam(checkpoint.model, photographs(count))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(heatmap, expected_heatmap, rtol=0, atol=1e-4)
    with torch.inference_mode():
        torch.testing.assert_close(network(photographs(count)), logits)


def test_threads_may_share_it(network: OnnxRuntimeNetwork) -> None:
    pictures = [photographs(1 + number % 2) for number in range(12)]
    alone = [forward_with_cam(network, each) for each in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: forward_with_cam(network, each), pictures))
    torch.testing.assert_close(together, alone)


@pytest.mark.usefixtures("network")
def test_what_was_exported_is_kept(checkpoint: Checkpoint, exports: list[int]) -> None:
    OnnxRuntimeNetwork(checkpoint)
    assert exports == []


@pytest.mark.usefixtures("network")
def test_a_damaged_file_is_written_anew(checkpoint: Checkpoint, exports: list[int]) -> None:
    file = kept(checkpoint)
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]):
        file.write_bytes(damaged)
        OnnxRuntimeNetwork(checkpoint)
        assert file.read_bytes() == whole
    assert exports == [SIZE] * 3


@pytest.mark.usefixtures("network")
def test_the_same_weights_at_another_size_are_another_file(
    checkpoint: Checkpoint, exports: list[int]
) -> None:
    preprocessing = replace(checkpoint.config.preprocessing, size=96)
    config = replace(checkpoint.config, preprocessing=preprocessing)
    OnnxRuntimeNetwork(replace(checkpoint, config=config))
    assert exports == [96]


def test_a_missing_onnx_runtime_is_named_with_the_extra(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SettingsError, match=r"engine onnxruntime is not installed.*extra `onnx`"):
        OnnxRuntimeNetwork(checkpoint)
