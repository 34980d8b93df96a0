import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from retina import distributed
from retina.errors import DataError, SettingsError, WeightsError
from retina.models.pretrained import InitialWeights
from retina.reporting.runs import SETTINGS_FILE, Study
from retina.training import experiment as module
from retina.training.batches import SAMPLINGS
from retina.training.experiment import (
    DEFAULT_EPOCHS,
    Experiment,
    default_workers,
    plan,
    run_experiment,
)
from retina.training.losses import LOSSES
from retina.training.settings import RunSettings
from tests.training.runs import settings

WEIGHTS = {
    name: InitialWeights("file", f"{name}.pth", digest * 64, {})
    for name, digest in (("resnet18", "a"), ("resnet50", "b"))
}


class Record:
    """Stands for training and reporting: notes what would have been trained and reported."""

    def __init__(self) -> None:
        self.trained: list[tuple[str, str | None, bool]] = []
        self.reports: list[dict[str, Any]] = []
        self.dies_in = ""

    def train(
        self,
        run: RunSettings,
        parts: object,
        initial: InitialWeights | None,
        folder: Path,
        device: torch.device,
        workers: int,
        resume: bool,
        compiled: bool,
        teacher: object,
    ) -> None:
        self.trained.append((run.name, initial.source if initial else None, resume))
        if run.name == self.dies_in:
            raise KeyboardInterrupt
        folder.mkdir(parents=True)
        metrics = {"n": 5, "confusion_matrix": np.eye(5, dtype=int).tolist()}
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")

    def report(self, output: Path, runs: list[str], **rest: Any) -> None:
        self.reports.append({"runs": runs, **rest})


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    record = Record()
    monkeypatch.setattr(module, "train_run", record.train)
    monkeypatch.setattr(module, "write_experiment_report", record.report)
    monkeypatch.setattr(module, "read_finished_run", lambda folder: folder.name)
    monkeypatch.setattr(
        module, "resolve_pretrained", lambda names, path: {name: WEIGHTS[name] for name in names}
    )
    return record


@pytest.fixture
def four(photographs: Path, tmp_path: Path) -> Experiment:
    runs = plan("comparison", [], [], settings())
    return Experiment("comparison", runs, (str(photographs),), tmp_path / "output", device="cpu")


FOUR = ["resnet18-scratch", "resnet18-pretrained", "resnet50-scratch", "resnet50-pretrained"]


def fail_to_fetch(*_: object) -> dict[str, InitialWeights]:
    raise WeightsError("ImageNet weights could not be fetched; get resnet18-f37072fd.pth")


def test_four_runs_each_from_its_weights_then_the_report(
    record: Record, four: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    run_experiment(four)
    assert record.trained == [
        ("resnet18-scratch", None, False),
        ("resnet18-pretrained", "resnet18.pth", False),
        ("resnet50-scratch", None, False),
        ("resnet50-pretrained", "resnet50.pth", False),
    ]
    (report,) = record.reports
    assert report["runs"] == FOUR
    assert (report["study"], report["gap"]) == ("comparison", None)
    assert "train: 42 photographs" in capsys.readouterr().err


def test_without_weights_the_scratch_half_runs_and_the_report_names_the_gap(
    record: Record,
    four: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "resolve_pretrained", fail_to_fetch)
    run_experiment(four)
    assert [name for name, _, _ in record.trained] == ["resnet18-scratch", "resnet50-scratch"]
    (report,) = record.reports
    assert report["runs"] == ["resnet18-scratch", "resnet50-scratch"]
    assert "resnet18-f37072fd.pth" in report["gap"]
    assert "the pretrained runs are left out: ImageNet weights" in capsys.readouterr().err


def test_weights_that_were_asked_for_are_needed_before_anything_is_trained(
    record: Record, four: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "resolve_pretrained", fail_to_fetch)
    with pytest.raises(WeightsError, match="could not be fetched"):
        run_experiment(replace(four, needs_pretrained=True))
    assert not record.trained
    assert not four.output.exists()


def test_an_output_that_holds_a_run_is_not_written_over(record: Record, four: Experiment) -> None:
    run_experiment(four)
    record.trained.clear()
    with pytest.raises(SettingsError, match=r"already holds a run: continue it with --resume"):
        run_experiment(four)
    assert not record.trained


def test_an_output_that_holds_something_else_is_left_alone(
    record: Record, four: Experiment
) -> None:
    four.output.mkdir()
    (four.output / "thesis.tex").touch()
    for resume in (False, True):
        with pytest.raises(SettingsError, match="not an empty folder"):
            run_experiment(replace(four, resume=resume))
    (four.output / "thesis.tex").unlink()
    run_experiment(four)
    assert len(record.trained) == 4


def test_an_output_that_is_a_file_is_refused(record: Record, four: Experiment) -> None:
    four.output.touch()
    with pytest.raises(SettingsError, match="not an empty folder"):
        run_experiment(four)


def test_resume_skips_what_is_finished_and_goes_on_with_the_rest(
    record: Record, four: Experiment
) -> None:
    record.dies_in = "resnet50-scratch"
    with pytest.raises(KeyboardInterrupt):
        run_experiment(four)
    assert not record.reports
    record.trained.clear()
    record.dies_in = ""
    run_experiment(replace(four, resume=True))
    assert record.trained == [
        ("resnet50-scratch", None, True),
        ("resnet50-pretrained", "resnet50.pth", True),
    ]
    assert record.reports[0]["runs"] == FOUR
    record.trained.clear()
    run_experiment(replace(four, resume=True))
    assert not record.trained
    assert len(record.reports) == 2


def test_resume_starts_where_nothing_lies(record: Record, four: Experiment) -> None:
    run_experiment(replace(four, resume=True))
    assert len(record.trained) == 4


def test_resume_after_a_kill_before_anything_was_written(record: Record, four: Experiment) -> None:
    four.output.mkdir()
    unfinished = four.output / f".{SETTINGS_FILE}.0123.part"
    unfinished.write_text("{", encoding="utf-8")
    run_experiment(replace(four, resume=True))
    assert len(record.trained) == 4
    assert not unfinished.exists()


@pytest.mark.parametrize("change", ["lr", "runs", "weights", "data", "photographs"])
def test_resume_refuses_other_settings_and_names_them(
    record: Record,
    four: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: str,
) -> None:
    run_experiment(four)
    record.trained.clear()
    other, named = replace(four, resume=True), ""
    if change == "lr":
        other = replace(other, runs=tuple(replace(run, lr=0.5) for run in four.runs))
        named = ", ".join(sorted(FOUR))
    elif change == "runs":
        other, named = replace(other, runs=four.runs[:1]), ", ".join(sorted(FOUR[1:]))
    elif change == "weights":
        changed = {name: replace(each, sha256="c" * 64) for name, each in WEIGHTS.items()}
        monkeypatch.setattr(module, "resolve_pretrained", lambda *_: changed)
        named = "initial weights"
    elif change == "photographs":
        shutil.copytree(four.data[0], tmp_path / "data")
        picture = next((tmp_path / "data" / "images").iterdir())
        picture.write_bytes(b"no longer a picture")
        other, named = replace(other, data=(str(tmp_path / "data"),)), "photographs"
    else:
        table = (Path(four.data[0]) / "train.csv").read_text(encoding="utf-8").splitlines()
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "images").symlink_to(Path(four.data[0]) / "images")
        fewer = "\n".join(table[:-1])
        (tmp_path / "data" / "train.csv").write_text(fewer, encoding="utf-8")
        other, named = replace(other, data=(str(tmp_path / "data"),)), "data"
    with pytest.raises(SettingsError, match="other settings") as refusal:
        run_experiment(other)
    assert named in str(refusal.value)
    assert not record.trained


def test_weights_that_came_meanwhile_train_the_half_that_waits(
    record: Record, four: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as offline:
        offline.setattr(module, "resolve_pretrained", fail_to_fetch)
        run_experiment(four)
    assert [name for name, *_ in record.trained] == ["resnet18-scratch", "resnet50-scratch"]
    run_experiment(replace(four, resume=True))
    assert [name for name, *_ in record.trained[2:]] == [
        "resnet18-pretrained",
        "resnet50-pretrained",
    ]
    assert record.reports[-1]["gap"] is None


def test_a_damaged_settings_file_is_refused(record: Record, four: Experiment) -> None:
    four.output.mkdir()
    for content in ("", "[1]", '{"runs": 5}'):
        (four.output / SETTINGS_FILE).write_text(content, encoding="utf-8")
        with pytest.raises(SettingsError, match=r"settings\.json is not a settings file"):
            run_experiment(replace(four, resume=True))


def test_the_settings_are_written_down(record: Record, four: Experiment) -> None:
    run_experiment(four)
    written = json.loads((four.output / SETTINGS_FILE).read_text(encoding="utf-8"))
    assert written["initial weights"] == {"resnet18": "a" * 64, "resnet50": "b" * 64}
    assert written["runs"]["resnet18-scratch"] == four.runs[0].to_json()
    assert (written["study"], written["gap"]) == ("comparison", None)
    assert any(remark.startswith("train: ") for remark in written["remarks"])


def test_data_are_looked_for_before_weights(
    record: Record, four: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "resolve_pretrained", fail_to_fetch)
    with pytest.raises(DataError, match="there is no data folder nowhere"):
        run_experiment(replace(four, data=("nowhere",), needs_pretrained=True))


def test_a_batch_is_shared_evenly_or_refused(
    record: Record, four: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "processes", lambda: 3)
    with pytest.raises(SettingsError, match=r"--batch-size 8 .* 3 processes: give a multiple of 3"):
        run_experiment(four)


@pytest.mark.parametrize("workers", [-1, -8])
def test_workers_are_counted_from_none(record: Record, four: Experiment, workers: int) -> None:
    with pytest.raises(SettingsError, match=f"--workers is {workers}"):
        run_experiment(replace(four, workers=workers))


def test_workers_serve_a_gpu_and_leave_a_cpu_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cpu_count", lambda: 64)
    assert default_workers(torch.device("cpu")) == 0
    assert default_workers(torch.device("cuda")) == 8
    monkeypatch.setattr(distributed, "processes_here", lambda: 16)
    assert default_workers(torch.device("cuda")) == 4
    monkeypatch.setattr(module, "cpu_count", lambda: 8)
    assert default_workers(torch.device("cuda")) == 1


def test_the_comparison_is_of_two_depths_from_two_starts() -> None:
    runs = plan("comparison", [], [], settings())
    assert [run.name for run in runs] == [
        "resnet18-scratch",
        "resnet18-pretrained",
        "resnet50-scratch",
        "resnet50-pretrained",
    ]
    common = {replace(run, architecture="resnet18", start="scratch") for run in runs}
    assert common == {settings()}


def test_models_and_starts_can_be_chosen_and_count_once() -> None:
    runs = plan("comparison", ["resnet34", "resnet101", "resnet34"], ["pretrained"], settings())
    assert [run.name for run in runs] == ["resnet34-pretrained", "resnet101-pretrained"]


def test_the_ablation_is_of_augmentation_and_normalisation() -> None:
    runs = plan("ablation", [], [], settings())
    assert {run.variant: (run.augmentation, run.normalisation) for run in runs} == {
        "augmentation-normalisation": (True, True),
        "augmentation": (True, False),
        "normalisation": (False, True),
        "neither": (False, False),
    }
    assert {(run.architecture, run.start) for run in runs} == {("resnet50", "pretrained")}
    assert DEFAULT_EPOCHS["ablation"] == 20


def test_the_imbalance_study_changes_one_thing_at_a_time() -> None:
    plain, *others = plan("imbalance", [], [], settings())
    assert plain == settings()
    for run in others:
        changed = {
            name
            for name, value in run.to_json().items()
            if value != plain.to_json()[name] and name != "variant"
        }
        assert len(changed) == 1
        (name,) = changed
        assert run.variant == f"{name}-{getattr(run, name)}"
    assert {run.sampling for run in others} == set(SAMPLINGS)
    assert {run.loss for run in others} == set(LOSSES)
    assert len(others) == len(SAMPLINGS) + len(LOSSES) - 2


def test_the_imbalance_study_starts_from_what_was_asked_for() -> None:
    common = settings(sampling="sqrt", loss="focal")
    plain, *others = plan("imbalance", ["resnet34"], ["pretrained"], common)
    assert (plain.name, plain.sampling, plain.loss) == (
        "resnet34-pretrained",
        "sqrt",
        "focal",
    )
    assert "sampling-none" in {run.variant for run in others}
    assert "loss-focal" not in {run.variant for run in others}


@pytest.mark.parametrize("study", ["comparison", "ablation", "imbalance"])
def test_no_two_runs_share_a_folder(study: Study) -> None:
    names = [run.name for run in plan(study, [], [], settings())]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("study", ["ablation", "imbalance"])
def test_a_study_of_one_model_refuses_several(study: Study) -> None:
    with pytest.raises(SettingsError, match="give one --model"):
        plan(study, ["resnet18", "resnet50"], [], settings())
    with pytest.raises(SettingsError, match="--scratch or --pretrained"):
        plan(study, [], ["scratch", "pretrained"], settings())


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(SettingsError, match="--model nope"):
        plan("comparison", ["nope"], [], settings())
