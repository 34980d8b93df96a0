"""``docs/checkpoint.md`` opens a checkpoint without retina, and takes it to the hub."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from packaging.requirements import Requirement
from torch import nn

from retina.models.checkpoint import load_checkpoint
from retina.models.checkpoint_folder import list_checkpoints, read_config, read_metrics

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "checkpoints"
NAMES = list_checkpoints(CHECKPOINTS)
RESNETS = [name for name in NAMES if name.startswith("resnet")]
BLOCKS = re.findall(
    r"^```(\w+)\n(.+?)^```$",
    (ROOT / "docs/checkpoint.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
TORCHVISION, TIMM = (code for language, code in BLOCKS if language == "python")
HUB, SPACE = (code for language, code in BLOCKS if language == "sh")


@pytest.mark.parametrize("name", RESNETS)
def test_torchvision_gives_the_same_logits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    hold_to_ours(TORCHVISION, name)


def test_timm_gives_the_same_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm", reason="timm is not installed, and nothing else needs it")
    monkeypatch.chdir(ROOT)
    for name in RESNETS:
        hold_to_ours(TIMM, name)


def hold_to_ours(code: str, name: str) -> None:
    """Open a shipped checkpoint as a block does, and compare its answers with our network's."""
    code = code.replace("resnet18-pretrained", name).replace("resnet18", name.split("-")[0])
    names: dict[str, Any] = {}
    exec(compile(code, "docs/checkpoint.md", "exec"), names)
    theirs: nn.Module = names["model"]
    ours = load_checkpoint(name, CHECKPOINTS).model
    assert type(theirs) is not type(ours)
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(theirs(x), ours(x))


@pytest.mark.parametrize("name", NAMES)
def test_the_hub_reads_the_card_of_what_is_shipped(name: str) -> None:
    data: Any = ModelCard.load(CHECKPOINTS / name / "README.md").data
    assert (data.model_name, data.library_name) == (name, "retina")
    assert (data.license, data.license_name) == ("other", "research-only")
    assert data.license_link == "LICENSE"
    assert data.pipeline_tag == "image-classification"
    metrics = read_metrics(CHECKPOINTS / name)
    assert metrics is not None
    told = {(each.dataset_name, each.metric_type): each.metric_value for each in data.eval_results}
    own = f"{read_config(CHECKPOINTS / name).data.name}, test split"
    assert told[own, "accuracy"] == metrics["accuracy"]["value"]
    others = {file.stem for file in (CHECKPOINTS / name / "evaluations").glob("*.json")}
    assert {dataset for dataset, _ in told} == {own, *others}


def bash(code: str, folder: Path) -> None:
    """Run a block in a clone of this repository: what it copies is copied from here."""
    for name in ("retina", "docs", "checkpoints", "requirements.txt"):
        (folder / name).symlink_to(ROOT / name)
    subprocess.run(["bash", "-euo", "pipefail", "-c", code], cwd=folder, check=True)


def test_the_folder_for_the_hub_has_the_terms_beside_it(tmp_path: Path) -> None:
    bash(HUB, tmp_path)
    files = {file.name for file in (tmp_path / "hub/resnet18-pretrained").iterdir()}
    assert {"README.md", "LICENSE", "config.json", "model.safetensors"} <= files


def test_the_space_asks_for_the_gradio_that_retina_needs(tmp_path: Path) -> None:
    bash(SPACE, tmp_path)
    card: Any = ModelCard.load(tmp_path / "space/README.md", ignore_metadata_errors=False).data
    lines = (tmp_path / "space/requirements.txt").read_text(encoding="utf-8").splitlines()
    [gradio] = [Requirement(line) for line in lines if line.startswith("gradio")]
    assert card.sdk == "gradio"
    assert gradio.specifier.contains(card.sdk_version)
    assert (tmp_path / "space" / card.app_file).is_file()
    assert (tmp_path / "space" / card.license_link).is_file()


@pytest.mark.long
def test_the_space_opens_for_the_hubs_frame(tmp_path: Path) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 7860)) == 0:
            pytest.skip("port 7860 of this machine is taken")
    bash(SPACE, tmp_path)
    with subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=tmp_path / "space",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert ":7860" in process.stdout.readline()
            with socket.create_connection(("127.0.0.1", 7860)) as line:
                line.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
                page = b"".join(iter(lambda: line.recv(65536), b"")).decode()
        finally:
            process.send_signal(signal.SIGTERM)
    assert "frame-ancestors https://huggingface.co" in page.partition("\r\n\r\n")[0]
    assert "efficientnet_lite0-pretrained" in page
