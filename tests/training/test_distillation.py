import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models
from torch import Tensor

from retina.errors import CheckpointError, SettingsError
from retina.models.architectures import build
from retina.models.pretrained import LITE, InitialWeights, resolve_pretrained, start_from
from retina.training import distillation
from retina.training.config import DistillationSettings
from retina.training.distillation import Distiller, check_output, state_name
from retina.training.unlabelled import Pictures, find_pictures
from tests.training.runs import CPU

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "distil.py"


@pytest.fixture(scope="module")
def teacher() -> InitialWeights:
    return resolve_pretrained([LITE])[LITE]


@pytest.fixture(scope="module")
def pictures(photographs: Path) -> Pictures:
    """The 42 photographs of the training part: two steps a pass."""
    return find_pictures([str(photographs)], [], 0)


def settings(**changes: Any) -> DistillationSettings:
    values: dict[str, Any] = {
        "architecture": "resnet18",
        "passes": 2,
        "image_size": 64,
        "batch_size": 21,
    }
    return DistillationSettings(**(values | changes))


@pytest.fixture(scope="module")
def distilled(
    tmp_path_factory: pytest.TempPathFactory, pictures: Pictures, teacher: InitialWeights
) -> Path:
    """The weights of a run that nothing disturbed; to be read only."""
    output = tmp_path_factory.mktemp("distilled") / "resnet18.safetensors"
    Distiller(settings(), pictures, teacher, output, CPU).fit()
    return output


def test_two_steps_change_the_student_and_leave_the_teacher(
    tmp_path: Path, pictures: Pictures, teacher: InitialWeights
) -> None:
    distiller = Distiller(settings(passes=4), pictures, teacher, tmp_path / "a.safetensors", CPU)
    batch = next(distiller.uploaded())[0]
    distiller.teacher.measure([batch])
    before = {name: value.clone() for name, value in distiller.imitation.state_dict().items()}
    taught = {name: value.clone() for name, value in distiller.teacher.state_dict().items()}
    distiller.imitation.train()
    errors = torch.stack([distiller.step(batch) for _ in range(6)])
    assert errors.shape == (6, 3)
    assert bool((errors[-1] < errors[0]).all())
    for name, value in distiller.imitation.state_dict().items():
        assert torch.equal(value, before[name]) == ("fc." in name), name
    assert all(
        torch.equal(value, taught[name]) for name, value in distiller.teacher.state_dict().items()
    )


def test_training_starts_from_the_file_and_says_what_it_is(distilled: Path) -> None:
    weights = resolve_pretrained(["resnet18"], distilled)["resnet18"]
    assert weights.kind == "file"
    assert weights.source == (
        "resnet18.safetensors (distilled without labels from ImageNet EfficientNet-Lite0 on 42 "
        "photographs of drawn, 2 passes at 64 px)"
    )
    model = build("resnet18")
    start_from(model, weights)
    assert weights.state is not None
    assert torch.equal(model.state_dict()["layer4.1.bn2.bias"], weights.state["layer4.1.bn2.bias"])
    left_out = torchvision.models.resnet18().load_state_dict(weights.state, strict=False)
    assert left_out.missing_keys == ["fc.weight", "fc.bias"]
    assert left_out.unexpected_keys == []


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int, stop: Any) -> None:
    """Call ``stop`` in the step of that number, counted from 1."""
    step, taken = Distiller.step, [0]

    def counted(self: Distiller, batch: Tensor) -> Tensor:
        taken[0] += 1
        if taken[0] == number:
            stop()
        return step(self, batch)

    monkeypatch.setattr(Distiller, "step", counted)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class KilledError(Exception):
    pass


def kill() -> None:
    raise KilledError


@pytest.mark.parametrize(
    ("number", "stop", "end"),
    [(2, interrupt, KeyboardInterrupt), (1, kill, KilledError), (4, kill, KilledError)],
)
def test_resumed_it_ends_with_the_same_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pictures: Pictures,
    teacher: InitialWeights,
    distilled: Path,
    number: int,
    stop: Any,
    end: type[BaseException],
) -> None:
    output = tmp_path / "resnet18.safetensors"
    monkeypatch.setattr(distillation, "SECONDS_BETWEEN_SAVES", 0.0)
    with monkeypatch.context() as context:
        stop_at(context, number, stop)
        with pytest.raises(end):
            Distiller(settings(), pictures, teacher, output, CPU).fit(resume=True)
    assert not output.exists()
    left = tmp_path / f".{state_name(output)}.0123.part"
    left.write_bytes(b"half a state")
    torch.rand(7)
    Distiller(settings(), pictures, teacher, output, CPU).fit(resume=True)
    assert output.read_bytes() == distilled.read_bytes()
    assert not left.exists()


def test_workers_change_nothing(
    tmp_path: Path, pictures: Pictures, teacher: InitialWeights, distilled: Path
) -> None:
    output = tmp_path / "resnet18.safetensors"
    Distiller(settings(), pictures, teacher, output, CPU, workers=2).fit()
    assert output.read_bytes() == distilled.read_bytes()


@pytest.mark.parametrize("changes", [{"lr": 0.01}, {"seed": 1}, {"growing": True}])
def test_other_settings_are_not_resumed(
    pictures: Pictures, teacher: InitialWeights, distilled: Path, changes: dict[str, Any]
) -> None:
    distiller = Distiller(settings(**changes), pictures, teacher, distilled, CPU)
    with pytest.raises(CheckpointError, match=r"resnet18\.state\.pt belongs to a run with other"):
        distiller.fit(resume=True)


def test_other_photographs_are_not_resumed(
    photographs: Path, teacher: InitialWeights, distilled: Path
) -> None:
    others = find_pictures([], [str(photographs)], 0)
    with pytest.raises(CheckpointError, match="belongs to a run with other"):
        Distiller(settings(), others, teacher, distilled, CPU).fit(resume=True)


def test_a_damaged_state_is_named(
    tmp_path: Path, pictures: Pictures, teacher: InitialWeights
) -> None:
    output = tmp_path / "a.safetensors"
    (tmp_path / state_name(output)).write_bytes(b"no state")
    with pytest.raises(CheckpointError, match=r"a\.state\.pt cannot be resumed from"):
        Distiller(settings(), pictures, teacher, output, CPU).fit(resume=True)


def test_a_rate_that_is_too_high_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: Pictures, teacher: InitialWeights
) -> None:
    monkeypatch.setattr(Distiller, "step", lambda self, batch: torch.tensor([1.0, torch.nan, 1.0]))
    with pytest.raises(SettingsError, match=r"no longer a number in pass 1: .* lower --lr"):
        Distiller(settings(), pictures, teacher, tmp_path / "a.safetensors", CPU).fit()


def test_growing_passes_begin_small() -> None:
    growing = DistillationSettings("resnet18", passes=8, image_size=224, growing=True)
    assert [growing.side(passed) for passed in range(8)] == [128] * 6 + [224] * 2
    assert DistillationSettings("resnet18", image_size=224).side(0) == 224
    assert settings(growing=True).side(0) == 32
    assert settings(growing=True, passes=1).side(0) == 64


def test_small_squares_are_shown_to_both_networks(
    tmp_path: Path, pictures: Pictures, teacher: InitialWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "a.safetensors"
    distiller = Distiller(settings(growing=True), pictures, teacher, output, CPU)
    shown: list[int] = []
    distiller.teacher.register_forward_pre_hook(lambda _, given: shown.append(given[0].shape[-1]))
    distiller.imitation.register_forward_pre_hook(lambda _, given: shown.append(given[0].shape[-1]))
    distiller.fit()
    assert shown[2:] == [32] * 4 + [64] * 4


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"architecture": "efficientnet_lite0"}, "--model efficientnet_lite0 is not known"),
        ({"amp": "float8"}, "--amp float8 is not known"),
        ({"passes": 0}, "--passes is 0"),
        ({"image_size": 32}, "--image-size is 32"),
        ({"batch_size": 1}, "--batch-size is 1"),
        ({"seed": -1}, "--seed is -1"),
        ({"lr": 0.0}, "--lr is 0.0: it must be above 0 and below 1"),
    ],
)
def test_settings_check_themselves(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        settings(**changes)


def test_nothing_is_overwritten_without_resume(tmp_path: Path, distilled: Path) -> None:
    with pytest.raises(SettingsError, match=r"its name must end in \.safetensors"):
        check_output(tmp_path / "weights.pth", resume=False)
    with pytest.raises(SettingsError, match=r"resnet18\.safetensors exists: go on with --resume"):
        check_output(distilled, resume=False)
    (tmp_path / "a.state.pt").touch()
    with pytest.raises(SettingsError, match=r"a\.state\.pt exists: go on with --resume"):
        check_output(tmp_path / "a.safetensors", resume=False)
    check_output(distilled, resume=True)
    check_output(tmp_path / "b.safetensors", resume=False)


def run(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    """Run the script in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *flags])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_script_writes_what_the_class_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    photographs: Path,
    distilled: Path,
) -> None:
    output = tmp_path / "resnet18.safetensors"
    flags = ("--passes", "2", "--image-size", "64", "--batch-size", "21", "--device", "cpu")
    assert run(monkeypatch, "--data", str(photographs), *flags, "--output", str(output)) == 0
    out, err = capsys.readouterr()
    assert out == f"{output}\n"
    assert "pass 2/2: the student explains" in err
    assert output.read_bytes() == distilled.read_bytes()


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--output", "a.safetensors"), "there is nothing to learn from"),
        (("--data", "nowhere", "--output", "a.safetensors"), "there is no data folder nowhere"),
        (("--workers", "-1", "--output", "a.safetensors"), "--workers is -1"),
        (("--data", "nowhere"), "--output"),
    ],
)
def test_the_script_answers_errors_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *flags) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert problem in err
