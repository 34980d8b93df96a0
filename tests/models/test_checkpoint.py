import hashlib
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from retina.errors import CheckpointError
from retina.models.checkpoint import as_stored, load_checkpoint, save_checkpoint
from retina.models.checkpoint_folder import METRICS_FILE, read_config
from retina.models.config import CONFIG_FILE, WEIGHTS_FILE
from tests.checkpoints import METRICS, SIZE, small_config, small_network


@pytest.fixture
def copy(checkpoints: Path, tmp_path: Path) -> Path:
    """A checkpoint to be spoiled."""
    return Path(shutil.copytree(checkpoints / "small", tmp_path / "small"))


def replace_weights(folder: Path, data: bytes) -> None:
    """Put other bytes in, and their SHA-256 into the configuration."""
    (folder / WEIGHTS_FILE).write_bytes(data)
    config = json.loads((folder / CONFIG_FILE).read_text())
    config["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (folder / CONFIG_FILE).write_text(json.dumps(config))


def weights(folder: Path) -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = load_file(folder / WEIGHTS_FILE)
    return loaded


def photographs() -> Tensor:
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def test_torchvisions_resnet_takes_the_weights_as_they_are(checkpoints: Path) -> None:
    theirs = torchvision.models.resnet18(num_classes=5)
    theirs.load_state_dict(weights(checkpoints / "small"), strict=True)
    ours = load_checkpoint("small", checkpoints).model
    with torch.inference_mode():
        torch.testing.assert_close(
            ours(photographs()), theirs.eval()(photographs()), rtol=1e-4, atol=1e-4
        )


def test_convolutions_and_head_are_kept_in_float16_and_batch_norm_in_float32(
    checkpoints: Path,
) -> None:
    kept = weights(checkpoints / "small")
    network = small_network()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert kept[f"{name}.weight"].dtype == torch.float16
        if isinstance(module, nn.BatchNorm2d):
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                assert kept[f"{name}.{tensor}"].dtype == torch.float32
                assert torch.equal(
                    kept[f"{name}.{tensor}"], network.state_dict()[f"{name}.{tensor}"]
                )


def test_the_file_says_that_it_is_pytorchs(checkpoints: Path) -> None:
    with safe_open(checkpoints / "small" / WEIGHTS_FILE, framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_what_is_loaded_is_what_as_stored_foretold(checkpoints: Path) -> None:
    before = small_network().state_dict()
    foretold = as_stored(before)
    loaded = load_checkpoint("small", checkpoints).model.state_dict()
    assert loaded.keys() == foretold.keys() == before.keys()
    for name, tensor in loaded.items():
        assert torch.equal(tensor, foretold[name]), name
        assert tensor.dtype == before[name].dtype, name
    rounded, exact = foretold["conv1.weight"], before["conv1.weight"]
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, rtol=1e-3, atol=1e-7)


def test_is_ready_for_use(checkpoints: Path) -> None:
    checkpoint = load_checkpoint("small", checkpoints)
    assert checkpoint.name == "small"
    assert checkpoint.folder == checkpoints / "small"
    assert checkpoint.config == read_config(checkpoints / "small")
    assert checkpoint.metrics is None
    assert not checkpoint.model.training
    assert {parameter.dtype for parameter in checkpoint.model.parameters()} == {torch.float32}


def test_metrics_come_along(copy: Path) -> None:
    (copy / METRICS_FILE).write_text(json.dumps(METRICS))
    assert load_checkpoint(copy).metrics == METRICS


def test_saving_tells_the_digest_and_leaves_the_network_alone(tmp_path: Path) -> None:
    network = small_network().to(memory_format=torch.channels_last)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    config = save_checkpoint(tmp_path / "runs" / "small", network, small_config())
    data = (tmp_path / "runs" / "small" / WEIGHTS_FILE).read_bytes()
    assert config.weights_sha256 == hashlib.sha256(data).hexdigest()
    assert read_config(tmp_path / "runs" / "small") == config
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dtype == before[name].dtype


def test_the_same_network_gives_the_same_bytes(checkpoints: Path, tmp_path: Path) -> None:
    config = save_checkpoint(tmp_path, small_network(), small_config())
    assert config.weights_sha256 == read_config(checkpoints / "small").weights_sha256


def test_a_changed_byte_is_refused(copy: Path) -> None:
    data = bytearray((copy / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (copy / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(CheckpointError, match=r"SHA-256 differs.*train it anew"):
        load_checkpoint(copy)


def test_a_missing_weights_file_is_named(copy: Path) -> None:
    (copy / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError, match=f"small has no readable {WEIGHTS_FILE}"):
        load_checkpoint(copy)


def test_a_pickle_is_refused_and_not_unpickled(copy: Path, tmp_path: Path) -> None:
    trace = tmp_path / "unpickled"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (trace,)

    replace_weights(copy, pickle.dumps(Trap()))
    with pytest.raises(CheckpointError, match="do not fit resnet18"):
        load_checkpoint(copy)
    assert not trace.exists()


def test_pytorchs_own_format_is_refused(copy: Path) -> None:
    torch.save(weights(copy), copy / "weights.pth")
    replace_weights(copy, (copy / "weights.pth").read_bytes())
    with pytest.raises(CheckpointError, match="do not fit resnet18"):
        load_checkpoint(copy)


def test_an_unknown_architecture_is_named_with_the_known_ones(copy: Path) -> None:
    config = json.loads((copy / CONFIG_FILE).read_text()) | {"architecture": "vgg16"}
    (copy / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"vgg16.*resnet18.*resnet152"):
        load_checkpoint(copy)


def test_weights_of_another_depth_do_not_fit(copy: Path) -> None:
    config = json.loads((copy / CONFIG_FILE).read_text()) | {"architecture": "resnet34"}
    (copy / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="small do not fit resnet34: ") as caught:
        load_checkpoint(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoil", ["missing", "further", "other shape"])
def test_weights_that_do_not_fit_are_refused(copy: Path, spoil: str) -> None:
    tensors = weights(copy)
    if spoil == "missing":
        del tensors["fc.bias"]
    elif spoil == "further":
        tensors["fc2.bias"] = torch.zeros(5)
    else:
        tensors["fc.weight"] = torch.zeros(4, 512)
    replace_weights(copy, dump_tensors(tensors))
    with pytest.raises(CheckpointError, match=r"small do not fit resnet18: .*fc"):
        load_checkpoint(copy)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["fc.weight", "layer2.0.bn1.running_var"])
def test_weights_that_are_no_numbers_are_refused(copy: Path, name: str, value: float) -> None:
    tensors = weights(copy)
    tensors[name].view(-1)[3] = value
    replace_weights(copy, dump_tensors(tensors))
    with pytest.raises(CheckpointError, match=f"small .*{name}.* not a number"):
        load_checkpoint(copy)


def test_an_unreadable_configuration_stops_before_the_weights(copy: Path) -> None:
    (copy / CONFIG_FILE).write_text("{}")
    (copy / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError, match="format"):
        load_checkpoint(copy)
