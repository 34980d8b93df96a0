import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision.models
from safetensors.torch import save_file
from torch import nn

from retina.errors import WeightsError
from retina.images.prepare import IMAGENET_MEAN, IMAGENET_STD
from retina.models.pretrained import resolve_pretrained, start_from
from retina.models.resnet import resnet18, resnet34, resnet50
from tests.models.states import State, sha256, torchvisions
from tests.shared_data import SHARED_DATA

Save = Callable[[State, Path], object]


def hollow(name: str) -> State:
    """torchvision's tensors in name and shape, but each a single number on disk."""
    with torch.device("meta"):
        state = torchvisions(name)
    return {name: torch.zeros(()).expand(tensor.shape) for name, tensor in state.items()}


def save_nested(key: str) -> Save:
    return lambda state, path: torch.save({"epoch": 3, key: state}, path)


def save_parallel(state: State, path: Path) -> None:
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, path)


def save_nested_parallel(state: State, path: Path) -> None:
    torch.save({"state_dict": {f"module.{n}": t for n, t in state.items()}}, path)


def save_without_counters(state: State, path: Path) -> None:
    torch.save({n: t for n, t in state.items() if "num_batches_tracked" not in n}, path)


def save_legacy(state: State, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("file_name", "save"),
    [
        ("a.pth", torch.save),
        ("a.pt", torch.save),
        ("a.PTH", torch.save),
        ("a.safetensors", save_file),
        ("nested.pth", save_nested("state_dict")),
        ("nested.pth", save_nested("model")),
        ("parallel.pth", save_parallel),
        ("nested.pth", save_nested_parallel),
        ("old.pth", save_without_counters),
        ("legacy.pth", save_legacy),
    ],
)
def test_a_file_gives_the_network_that_torchvision_would_have(
    tmp_path: Path, state18: State, file_name: str, save: Save
) -> None:
    path = tmp_path / file_name
    save(state18, path)
    weights = resolve_pretrained(["resnet18"], path)["resnet18"]
    assert (weights.kind, weights.source) == ("file", file_name)
    assert weights.sha256 == sha256(path)

    oracle = torchvision.models.resnet18()
    oracle.load_state_dict(state18)
    model = resnet18(num_classes=1000)
    start_from(model, weights)
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(x), oracle.eval()(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet34", "resnet50", "resnet101", "resnet152"])
def test_the_depth_is_read_from_the_tensors(tmp_path: Path, name: str) -> None:
    path = tmp_path / "resnet18.pth"
    torch.save(hollow(name), path)
    assert list(resolve_pretrained([name], path)) == [name]
    with pytest.raises(WeightsError, match=rf"no weights for resnet18 .*is for {name}"):
        resolve_pretrained(["resnet18"], path)


def test_a_head_of_another_size_stays_fresh(tmp_path: Path, state18: State) -> None:
    torch.save(state18, tmp_path / "a.pth")
    weights = resolve_pretrained(["resnet18"], tmp_path)["resnet18"]
    model = resnet18()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start_from(model, weights)
    for name, tensor in model.state_dict().items():
        expected = before[name] if name.startswith("fc.") else state18[name]
        assert torch.equal(tensor, expected), name


def test_a_head_of_the_same_size_is_taken(tmp_path: Path) -> None:
    state = torchvisions(num_classes=5)
    torch.save(state, tmp_path / "a.pth")
    model = resnet18()
    start_from(model, resolve_pretrained(["resnet18"], tmp_path)["resnet18"])
    assert torch.equal(model.fc.weight, state["fc.weight"])


def test_a_file_without_a_head_is_taken(tmp_path: Path, state18: State) -> None:
    torch.save({n: t for n, t in state18.items() if not n.startswith("fc.")}, tmp_path / "a.pth")
    model = resnet18()
    start_from(model, resolve_pretrained(["resnet18"], tmp_path)["resnet18"])
    assert torch.equal(model.conv1.weight, state18["conv1.weight"])


def test_half_precision_becomes_float32(tmp_path: Path, state18: State) -> None:
    half = {n: t.half() if t.is_floating_point() else t for n, t in state18.items()}
    save_file(half, tmp_path / "a.safetensors")
    model = resnet18()
    start_from(model, resolve_pretrained(["resnet18"], tmp_path)["resnet18"])
    assert torch.equal(model.conv1.weight, half["conv1.weight"].float())
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_folder_gives_each_network_its_file(tmp_path: Path) -> None:
    torch.save(torchvisions("resnet18"), tmp_path / "one.pth")
    save_file(torchvisions("resnet50"), tmp_path / "two.safetensors")
    (tmp_path / "notes.txt").write_text("not weights")
    (tmp_path / "other.pth").write_bytes(b"not weights either")
    found = resolve_pretrained(["resnet50", "resnet18"], str(tmp_path))
    assert [(name, w.source) for name, w in found.items()] == [
        ("resnet50", "two.safetensors"),
        ("resnet18", "one.pth"),
    ]
    start_from(resnet50(), found["resnet50"])
    start_from(resnet18(), found["resnet18"])


def test_a_folder_with_two_files_for_one_network_is_refused(tmp_path: Path, state18: State) -> None:
    torch.save(state18, tmp_path / "a.pth")
    torch.save(state18, tmp_path / "b.pt")
    with pytest.raises(WeightsError, match=r"resnet18: a\.pth and b\.pt"):
        resolve_pretrained(["resnet18"], tmp_path)


def test_a_network_without_a_file_is_refused(tmp_path: Path, state18: State) -> None:
    torch.save(state18, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"resnet50 \(a\.pth is for resnet18; .*b\.pth"):
        resolve_pretrained(["resnet18", "resnet50"], tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no file ends in \.safetensors, \.pth or \.pt"):
        resolve_pretrained(["resnet18"], tmp_path)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no .*nowhere\.pth"):
        resolve_pretrained(["resnet18"], tmp_path / "nowhere.pth")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.onnx").write_bytes(b"x")
    with pytest.raises(WeightsError, match="its name must end in"):
        resolve_pretrained(["resnet18"], tmp_path / "weights.onnx")


def deep_stem(state: State) -> State:
    rest = {n: t for n, t in state.items() if not n.startswith("conv1.")}
    return {"conv1.0.weight": torch.zeros(32, 3, 3, 3), **rest}


def test_other_variants_of_a_resnet_are_refused_by_their_tensors(
    tmp_path: Path, state18: State
) -> None:
    for state, problem in (
        (deep_stem(state18), r"nearest to resnet18 .*it lacks conv1\.weight"),
        ({**state18, "se.weight": torch.zeros(1)}, r"it holds se\.weight"),
        (
            hollow("wide_resnet50_2"),
            r"nearest to resnet50 .*layer1\.0\.conv1\.weight has the shape \(128, 64, 1, 1\)",
        ),
        ({n: t for n, t in state18.items() if "bn1" not in n}, r"bn1\.weight, .* and \d+ more$"),
        (torchvision.models.mobilenet_v3_small().state_dict(), "fits none of the networks"),
    ):
        torch.save(state, tmp_path / "a.pth")
        with pytest.raises(WeightsError, match=problem):
            resolve_pretrained(["resnet18"], tmp_path / "a.pth")


class Malicious:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return Path.touch, (Path("pwned"),)  # type: ignore[return-value]


def test_code_in_a_pickle_is_not_run(
    tmp_path: Path, state18: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**state18, "extra": Malicious()}, "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth cannot be opened safely"):
        resolve_pretrained(["resnet18"], "a.pth")
    assert not Path("pwned").exists()


def test_a_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="save its state_dict alone"):
        resolve_pretrained(["resnet18"], tmp_path / "a.pth")


def recursive() -> dict[str, object]:
    content: dict[str, object] = {}
    content["model"] = content
    return content


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([1, 2], "no table of tensors"),
        ({}, "no table of tensors"),
        ({"state_dict": {}}, "no table of tensors"),
        ({"epoch": 3}, "'epoch', which is no tensor"),
        ({3: torch.zeros(1)}, "3, which is no tensor"),
        ({"conv1.weight": torch.zeros(1, dtype=torch.int8)}, "floating-point"),
        (recursive(), "'model', which is no tensor"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, problem: str) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=problem):
        resolve_pretrained(["resnet18"], tmp_path / "a.pth")


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 100, 5000, -1000])
def test_a_damaged_file_is_refused_in_one_sentence(
    tmp_path: Path, state18: State, ending: str, keep: int
) -> None:
    path = tmp_path / f"a{ending}"
    (save_file if ending == ".safetensors" else torch.save)(state18, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError) as caught:
        resolve_pretrained(["resnet18"], path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_do_not_fill_it(tmp_path: Path, state18: State) -> None:
    torch.save(state18, tmp_path / "a.pth")
    weights = resolve_pretrained(["resnet18"], tmp_path)["resnet18"]
    with pytest.raises(WeightsError, match=r"a\.pth do not fit the network: it lacks"):
        start_from(resnet34(), weights)


def test_a_safetensors_file_says_what_it_is(tmp_path: Path, state18: State) -> None:
    path = tmp_path / "a.safetensors"
    save_file(state18, path, metadata={"format": "pt", "description": "made\nby " + "x" * 400})
    weights = resolve_pretrained(["resnet18"], path)["resnet18"]
    assert weights.kind == "file"
    assert weights.source == f"a.safetensors (made by {'x' * 292})"


def test_weights_without_batch_norm_statistics_are_warned_of(
    tmp_path: Path, state18: State
) -> None:
    folded = {
        name: torch.zeros_like(value)
        if name.endswith("running_mean")
        else torch.ones_like(value)
        if name.endswith("running_var")
        else value
        for name, value in state18.items()
    }
    folded["bn1.bias"] = torch.ones_like(folded["bn1.bias"])
    save_file(folded, tmp_path / "folded.safetensors")
    weights = resolve_pretrained(["resnet18"], tmp_path / "folded.safetensors")["resnet18"]
    assert weights.warning.startswith("folded.safetensors has no batch-norm statistics")
    folded["bn1.running_mean"] = torch.full_like(folded["bn1.running_mean"], 0.1)
    save_file(folded, tmp_path / "whole.safetensors")
    weights = resolve_pretrained(["resnet18"], tmp_path / "whole.safetensors")["resnet18"]
    assert weights.warning == ""
    fresh = resnet18(num_classes=1000).state_dict()
    save_file(fresh, tmp_path / "fresh.safetensors")
    weights = resolve_pretrained(["resnet18"], tmp_path / "fresh.safetensors")["resnet18"]
    assert weights.warning == ""


def test_a_start_keeps_the_normalisation_that_it_was_trained_with(
    tmp_path: Path, state18: State
) -> None:
    torch.save(state18, tmp_path / "a.pth")
    weights = resolve_pretrained(["resnet18"], tmp_path / "a.pth")["resnet18"]
    assert (weights.mean, weights.std) == (IMAGENET_MEAN, IMAGENET_STD)
    lite = resolve_pretrained(["efficientnet_lite0"])["efficientnet_lite0"]
    value = torch.tensor([0.0, 127.0, 255.0]) / 255
    expected = (torch.tensor([0.0, 127.0, 255.0]) - 127) / 128
    torch.testing.assert_close((value - lite.mean[0]) / lite.std[0], expected)


SHARED_WEIGHTS = SHARED_DATA.parent / "weights"


@pytest.mark.skipif(
    not SHARED_WEIGHTS.is_dir(),
    reason=f"the compressed ImageNet weights are not at {SHARED_WEIGHTS}",
)
def test_rebuilt_imagenet_weights_are_known_by_their_hash(tmp_path: Path) -> None:
    compact = SHARED_WEIGHTS / "resnet18_pqf_small.compact.safetensors"
    for folded in (False, True):
        file = tmp_path / f"{folded}.safetensors"
        command = [sys.executable, str(SHARED_WEIGHTS / "expand.py"), str(compact), str(file)]
        command += ["--bn", "folded"] if folded else []
        subprocess.run(command, check=True, capture_output=True)
        weights = resolve_pretrained(["resnet18"], file)["resnet18"]
        if folded:
            assert weights.kind == "file"
            assert "no batch-norm statistics" in weights.warning
        else:
            assert weights.kind == "imagenet-compressed"
            assert weights.source.startswith("uber-research/permute-quantize-finetune")
            assert "non-commercial" in weights.licence
            assert weights.warning == ""
