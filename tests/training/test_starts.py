"""Two steps from each start that a shipped checkpoint has."""

from pathlib import Path

import pytest
import torch

from retina.models.architectures import build
from retina.models.checkpoint import load_checkpoint
from retina.models.pretrained import InitialWeights, resolve_pretrained
from retina.training.data import SplitData
from retina.training.run import train_run
from retina.training.settings import TeacherSettings
from tests.training.runs import CPU, settings

STEPS = {"recipe": "modern", "epochs": 1, "batch_size": 21, "lr": 0.0005}


def weights_in_a_file(architecture: str, folder: Path) -> InitialWeights:
    torch.manual_seed(7)
    path = folder / f"{architecture}.pth"
    torch.save(build(architecture, num_classes=1000).state_dict(), path)
    return resolve_pretrained([architecture], path)[architecture]


@pytest.mark.parametrize(
    ("architecture", "start", "kind"),
    [
        ("resnet18", "scratch", "random"),
        ("resnet50", "scratch", "random"),
        ("resnet18", "pretrained", "file"),
        ("resnet50", "pretrained", "file"),
        ("efficientnet_lite0", "pretrained", "imagenet"),
    ],
)
def test_two_steps_from_a_start(
    architecture: str, start: str, kind: str, parts: SplitData, tmp_path: Path
) -> None:
    weights = None
    if kind == "file":
        weights = weights_in_a_file(architecture, tmp_path)
    elif kind == "imagenet":
        weights = resolve_pretrained([architecture], None)[architecture]
    run = settings(architecture=architecture, start=start, **STEPS)
    train_run(run, parts, weights, tmp_path / "run", CPU)
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.config.initial_weights.kind == kind
    assert checkpoint.metrics is not None
    if weights is not None and weights.state is not None:
        trained = checkpoint.model.state_dict()
        for name, start_value in weights.state.items():
            if start_value.dim() == 4:
                both = torch.stack([trained[name].flatten(), start_value.flatten()])
                assert not torch.equal(both[0], both[1].half().float())
                assert torch.corrcoef(both)[0, 1] > 0.5


def test_two_steps_with_a_teacher(finished: Path, parts: SplitData, tmp_path: Path) -> None:
    weights = weights_in_a_file("resnet18", tmp_path)
    checkpoint = load_checkpoint(finished)
    asked = TeacherSettings("resnet18-scratch", checkpoint.config.weights_sha256)
    run = settings(start="pretrained", teacher=asked, **STEPS)
    train_run(run, parts, weights, tmp_path / "run", CPU, teacher=checkpoint)
    trained = load_checkpoint(tmp_path / "run").config
    assert trained.initial_weights.kind == "file"
    assert trained.training is not None
    assert trained.training["teacher"]["sha256"] == checkpoint.config.weights_sha256
