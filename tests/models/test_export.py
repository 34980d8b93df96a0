import builtins
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from retina.errors import SettingsError
from retina.explain.cam import forward_with_cam
from retina.models.architectures import build
from retina.models.checkpoint import load_checkpoint, save_checkpoint
from retina.models.config import WEIGHTS_FILE
from retina.models.export import export_onnx
from tests.checkpoints import SIZE, small_config


@pytest.fixture(scope="module")
def exported(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("exported") / "small.onnx"
    export_onnx(load_checkpoint("small", checkpoints), file)
    return file


def session(file: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def photographs(count: int) -> torch.Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("count", [1, 3])
def test_onnx_runtime_answers_as_pytorch_does(
    exported: Path, checkpoints: Path, count: int
) -> None:
    model = load_checkpoint("small", checkpoints).model
    logits, features = session(exported).run(
        ["logits", "features"], {"photographs": photographs(count).numpy()}
    )
    with torch.inference_mode():
        np.testing.assert_allclose(logits, model(photographs(count)), atol=1e-4, rtol=0)
        expected = model.features(photographs(count))  # type: ignore[operator]
        np.testing.assert_allclose(features, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", ["resnet50", "efficientnet_lite0"])
def test_every_kind_of_network_can_be_exported(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_checkpoint(
        tmp_path / "other", build(architecture), small_config(architecture=architecture)
    )
    checkpoint = load_checkpoint(tmp_path / "other")
    export_onnx(checkpoint, tmp_path / "other.onnx")
    (logits,) = session(tmp_path / "other.onnx").run(
        ["logits"], {"photographs": photographs(2).numpy()}
    )
    with torch.inference_mode():
        np.testing.assert_allclose(logits, checkpoint.model(photographs(2)), atol=1e-4, rtol=0)


def test_the_metadata_gives_grade_and_heatmap_without_this_package(
    exported: Path, checkpoints: Path
) -> None:
    checkpoint = load_checkpoint("small", checkpoints)
    properties = session(exported).get_modelmeta().custom_metadata_map
    told = {key.removeprefix("retina."): json.loads(text) for key, text in properties.items()}
    config = checkpoint.config.to_json()
    assert {key: told[key] for key in told if key != "fc_weight"} == {
        key: config[key] for key in told if key != "fc_weight"
    }
    assert {"preprocessing", "temperature", "referable", "classes"} <= told.keys()
    weights = (checkpoint.folder / WEIGHTS_FILE).read_bytes()
    assert told["weights_sha256"] == hashlib.sha256(weights).hexdigest()

    logits, features = session(exported).run(
        ["logits", "features"], {"photographs": photographs(1).numpy()}
    )
    row = np.array(told["fc_weight"])[logits[0].argmax()]
    heatmap = np.maximum(np.tensordot(row, features[0], 1) / features[0, 0].size, 0)
    _, expected = forward_with_cam(checkpoint.model, photographs(1))
    np.testing.assert_allclose(heatmap, expected[0], atol=1e-4, rtol=0)


def test_the_file_holds_all_weights_itself(exported: Path) -> None:
    assert [file.name for file in exported.parent.iterdir()] == [exported.name]
    onnx.checker.check_model(exported, full_check=True)


def test_only_a_new_onnx_file_in_a_folder_is_written(checkpoints: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint("small", checkpoints)
    (tmp_path / "old.onnx").write_text("mine")
    for name, reason in {
        "": "is a folder",
        "old.onnx": "is there already",
        "model.pt": "does not end in .onnx",
        "missing/model.onnx": "is no folder",
    }.items():
        with pytest.raises(SettingsError, match=reason):
            export_onnx(checkpoint, tmp_path / name)
    assert (tmp_path / "old.onnx").read_text() == "mine"


def test_a_missing_library_is_named(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "onnxscript":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"needs onnxscript.*extra `onnx`"):
        export_onnx(load_checkpoint("small", checkpoints), tmp_path / "small.onnx")
    assert not list(tmp_path.iterdir())
