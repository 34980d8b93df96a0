import errno
import json
import os
import runpy
import shutil
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from retina.errors import WeightsError
from retina.training import experiment
from retina.training.experiment import Experiment
from retina.training.settings import LEARNING_RATES
from retina.training.state import STATE_FILE
from retina.training.trainer import Trainer
from tests.cli.shell import retina

ROOT = Path(__file__).resolve().parents[2]
Shell = pytest.CaptureFixture[str]
Flags = list[str | os.PathLike[str]]


@pytest.fixture
def small(drawn_data: Path, tmp_path: Path) -> Flags:
    """Flags of a run of an epoch of three steps."""
    flags: Flags = ["train", "--data", drawn_data, "--output", tmp_path / "output"]
    flags += ["--epochs", "1", "--image-size", "32", "--batch-size", "4", "--device", "cpu"]
    return flags


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Experiment]:
    """What would have been run."""
    asked: list[Experiment] = []

    def note(experiment: Experiment) -> None:
        asked.append(experiment)
        experiment.output.mkdir(parents=True)
        (experiment.output / "comparison.csv").touch()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "run_experiment", note)
    return asked


def fail_to_fetch(*_: object) -> Any:
    raise WeightsError(
        "ImageNet weights could not be fetched (no network); get resnet18-f37072fd.pth and name "
        "the file with --pretrained FILE"
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "nope"], "--model nope is not known"),
        (["--epochs", "0"], "--epochs is 0"),
        (["--epochs", "many"], "--epochs"),
        (["--batch-size", "0"], "--batch-size is 0"),
        (["--image-size", "8"], "--image-size is 8"),
        (["--lr", "nan"], "--lr is nan"),
        (["--sensitivity", "1.1"], "--sensitivity is 1.1"),
        (["--seed", "-1"], "--seed is -1"),
        (["--workers", "-1"], "--workers is -1"),
        (["--recipe", "x"], "--recipe x is not known: choose lab or modern"),
        (["--sampling", "x"], "--sampling x is not known"),
        (["--loss", "x"], "--loss x is not known"),
        (["--amp", "x"], "--amp x is not known"),
        (["--device", "abacus"], "--device abacus"),
        (["--data", "nowhere"], "there is no data folder nowhere: put EyePACS or APTOS 2019"),
        (["--pretrained", "nowhere.pth"], "there is no weights file or folder nowhere.pth"),
        (["--ablation", "--imbalance-study"], "not allowed with"),
        (["--ablation", "--scratch", "--pretrained"], "either --scratch or --pretrained"),
        (["--report", "nowhere"], "nowhere holds no finished run"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(
    capsys: Shell, small: Flags, tmp_path: Path, flags: list[str], said: str
) -> None:
    answer = retina(capsys, *small, *flags)
    assert answer.status == 2
    assert answer.out == ""
    assert len(answer.errors) == 1
    assert said in answer.errors[0]
    assert "Traceback" not in answer.err
    assert not (tmp_path / "output").exists()


@pytest.fixture
def lab_lists(drawn_data: Path, tmp_path: Path) -> Path:
    """The drawn photographs with the lab's lists: every second test picture's patient is known."""
    folder = tmp_path / "lab"
    folder.mkdir()
    names = [f"{number // 2}_{'left' if number % 2 else 'right'}" for number in range(16)]
    names += ["20_left", "21_left", "22_left", "23_left"]
    table = pd.read_csv(drawn_data / "train.csv")
    for old, new in zip(table["id_code"], names, strict=True):
        shutil.copy(next((drawn_data / "images").glob(f"{old}.*")), folder / f"{new}.jpeg")
    test = [(number < 8 and number % 2 == 0) or number >= 16 for number in range(20)]
    for part, rows in (("train", [not each for each in test]), ("test", test)):
        pd.Series(names)[rows].to_csv(folder / f"{part}_img.csv", index=False, header=False)
        grades = table["diagnosis"][rows]
        grades.to_csv(folder / f"{part}_label.csv", index=False, header=False)
    return folder


def test_a_split_that_shares_patients_is_refused_unless_allowed_and_then_recorded(
    capsys: Shell, small: Flags, lab_lists: Path, tmp_path: Path
) -> None:
    flags: Flags = [*small, "--data", lab_lists, "--model", "resnet18", "--scratch"]
    answer = retina(capsys, *flags)
    assert (answer.status, answer.out, len(answer.errors)) == (2, "", 1)
    assert "50% of its test photographs" in answer.errors[0]
    assert "--allow-leaks" in answer.errors[0]
    assert not (tmp_path / "output").exists()

    assert retina(capsys, *flags, "--allow-leaks").status == 0
    config = json.loads((tmp_path / "output/resnet18-scratch/config.json").read_text())
    assert config["data"]["shared_patients"] == 0.5


def test_without_flags_it_is_the_labs_four_runs(capsys: Shell, planned: list[Experiment]) -> None:
    answer = retina(capsys, "train")
    (asked,) = planned
    assert [run.name for run in asked.runs] == [
        "resnet18-scratch",
        "resnet18-pretrained",
        "resnet50-scratch",
        "resnet50-pretrained",
    ]
    run = asked.runs[0]
    assert (run.epochs, run.batch_size, run.lr, run.image_size, run.seed) == (10, 32, 0.001, 512, 0)
    assert (run.recipe, run.amp, asked.data, asked.device) == ("lab", "auto", ("data",), "auto")
    assert not asked.needs_pretrained
    assert asked.output.parent == Path("runs")
    assert answer.out == f"{asked.output}\n"


def test_several_processes_need_a_folder_that_all_know(
    capsys: Shell, planned: list[Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each would name its own by the second at which it starts.
    monkeypatch.setenv("WORLD_SIZE", "2")
    answer = retina(capsys, "train")
    assert (answer.status, planned) == (2, [])
    assert "name it with --output" in answer.errors[0]
    assert retina(capsys, "train", "--output", "output").status == 0


@pytest.mark.parametrize(
    ("flags", "starts", "path", "needed"),
    [
        (["--scratch"], ["scratch"], None, False),
        (["--pretrained"], ["pretrained"], None, True),
        (["--pretrained", "w.pth"], ["pretrained"], Path("w.pth"), True),
        (["--scratch", "--pretrained"], ["scratch", "pretrained"], None, True),
        ([], ["scratch", "pretrained"], None, False),
    ],
)
def test_halves(
    capsys: Shell,
    planned: list[Experiment],
    flags: list[str],
    starts: list[str],
    path: Path | None,
    needed: bool,
) -> None:
    retina(capsys, "train", "--model", "resnet34", *flags)
    assert [run.start for run in planned[0].runs] == starts
    assert {run.architecture for run in planned[0].runs} == {"resnet34"}
    assert (planned[0].pretrained, planned[0].needs_pretrained) == (path, needed)


def test_studies_and_recipes_have_their_own_defaults(
    capsys: Shell, planned: list[Experiment]
) -> None:
    retina(capsys, "train", "--ablation")
    retina(capsys, "train", "--ablation", "--epochs", "3")
    retina(capsys, "train", "--imbalance-study", "--recipe", "modern")
    retina(capsys, "train", "--recipe", "modern", "--lr", "0.5")
    ablation, short, imbalance, modern = planned
    assert (len(ablation.runs), ablation.runs[0].epochs, short.runs[0].epochs) == (4, 20, 3)
    assert ablation.needs_pretrained
    assert len(imbalance.runs) == 9
    assert {run.lr for run in imbalance.runs} == {LEARNING_RATES["modern"]}
    assert {run.lr for run in modern.runs} == {0.5}


@pytest.mark.parametrize(
    ("program", "recorded"), [("train.py", "python train.py"), ("/bin/retina", "retina")]
)
def test_the_command_is_recorded_as_it_was_typed(
    capsys: Shell,
    small: Flags,
    planned: list[Experiment],
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    recorded: str,
) -> None:
    monkeypatch.setattr("sys.argv", [program, "--scratch", "--data", "a b"])
    retina(capsys, *small)
    assert planned[0].command == f"{recorded} --scratch --data 'a b'"


def test_a_single_value_for_batch_norm_is_refused(capsys: Shell, small: Flags) -> None:
    answer = retina(capsys, *small, "--scratch", "--model", "resnet18", "--batch-size", "1")
    assert answer.status == 2
    assert answer.errors[-1].startswith(
        "--batch-size 1 at --image-size 32 leaves batch normalisation"
    )


def test_a_comparison_without_weights_does_the_scratch_half(
    capsys: Shell, small: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "resolve_pretrained", fail_to_fetch)
    answer = retina(capsys, *small, "--model", "resnet18")
    assert answer.status == 0, answer.err
    output = tmp_path / "output"
    table = (output / "comparison.csv").read_text(encoding="utf-8")
    assert answer.out == f"{table}{output}\n"
    assert "the pretrained runs are left out: ImageNet weights" in answer.err
    names = {file.name for file in output.iterdir()}
    assert names >= {
        "report.html",
        "comparison.csv",
        "accuracy-trend-resnet18.png",
        "confusion-matrix-resnet18-scratch.png",
        "resnet18-scratch",
    }
    assert "could not be fetched" in (output / "report.html").read_text(encoding="utf-8")
    assert pd.read_csv(output / "comparison.csv")["model"].tolist() == ["resnet18-scratch"]

    (output / "report.html").unlink()
    anew = retina(capsys, "train", "--report", str(output), "--output", str(output))
    assert anew.status == 0
    assert "could not be fetched" in (output / "report.html").read_text(encoding="utf-8")
    elsewhere = retina(capsys, "train", "--report", str(output), "--output", str(tmp_path))
    assert elsewhere.status == 2
    assert "holds files that are no report" in elsewhere.errors[0]

    again = retina(capsys, *small, "--model", "resnet18")
    assert again.status == 2
    assert "already holds a run: continue it with --resume" in again.errors[0]
    other = retina(capsys, *small, "--model", "resnet18", "--resume", "--lr", "0.5")
    assert other.status == 2
    assert "(they differ in resnet18-pretrained, resnet18-scratch)" in other.errors[0]


def test_pretrained_without_weights_is_status_2_and_names_file_and_flag(
    capsys: Shell, small: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "resolve_pretrained", fail_to_fetch)
    answer = retina(capsys, *small, "--pretrained")
    assert answer.status == 2
    assert "resnet18-f37072fd.pth" in answer.errors[0]
    assert "--pretrained FILE" in answer.errors[0]


def test_ctrl_c_is_130_and_says_how_to_go_on(
    capsys: Shell, small: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step

    def interrupted(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        signal.raise_signal(signal.SIGINT)
        return step(self, pictures, grades)

    flags: Flags = [*small, "--scratch", "--model", "resnet18"]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        answer = retina(capsys, *flags)
    assert answer.status == 130
    output = tmp_path / "output"
    assert f"to continue, use the same flags with --output {output} --resume" in answer.err
    assert "Traceback" not in answer.err
    state = torch.load(output / "resnet18-scratch" / STATE_FILE, weights_only=True)
    assert state["progress"]["batch"] == 1
    assert retina(capsys, *flags, "--resume").status == 0
    assert json.loads((output / "resnet18-scratch" / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), 1, "lower --batch-size (now 4)"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
    ],
    ids=["memory", "disk"],
)
def test_what_the_machine_refuses_is_status_1(
    capsys: Shell,
    small: Flags,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    said: str,
) -> None:
    def failing(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        raise error

    monkeypatch.setattr(Trainer, "step", failing)
    answer = retina(capsys, *small, "--scratch", "--model", "resnet18")
    assert answer.status == status
    assert len(answer.errors) == 1
    assert said in answer.errors[0]


def test_a_loss_that_is_no_number_is_status_2(
    capsys: Shell, small: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: Trainer, pictures: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
        return torch.tensor(float("nan")), torch.tensor(0)

    monkeypatch.setattr(Trainer, "step", failing)
    answer = retina(capsys, *small, "--scratch", "--model", "resnet18")
    assert answer.status == 2
    assert "lower --lr" in answer.errors[0]


def test_train_py_is_the_same_command(
    capsys: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py", "--model", "nope"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: --model nope is not known")
    assert err.count("\n") == 1
