import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from retina.cli import main
from retina.datasets.splits import read_split
from retina.errors import CheckpointError
from retina.evaluation.calibration import choose_threshold, fit_temperature, probabilities
from retina.evaluation.predict import predict_with_maps
from retina.models.architectures import build
from retina.models.checkpoint import load_checkpoint
from retina.models.pretrained import InitialWeights
from retina.training import run as module
from retina.training.data import SplitData
from retina.training.run import train_run
from retina.training.state import STATE_FILE
from tests.training.runs import CPU, PICTURES, settings

ROOT = Path(__file__).resolve().parents[2]
TIMES = ["seconds", "waiting_seconds"]
PROMISED = {
    "model.safetensors",
    "config.json",
    "metrics.json",
    "predictions.csv",
    "history.csv",
    "split.csv",
    "state.pt",
}


def config_of(folder: Path) -> dict[str, object]:
    config: dict[str, object] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    training = config["training"]
    assert isinstance(training, dict)
    assert training.pop("seconds") > 0
    return config


def same_history(first: Path, second: Path) -> bool:
    tables = [pd.read_csv(folder / "history.csv").drop(columns=TIMES) for folder in (first, second)]
    return tables[0].equals(tables[1])


def test_the_folder_holds_what_is_promised(finished: Path) -> None:
    names = {file.name for file in finished.iterdir()}
    assert names - {"README.md", "tensorboard"} == PROMISED


def test_the_history_has_a_row_an_epoch_and_the_best_is_saved(finished: Path) -> None:
    history = pd.read_csv(finished / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    training = config_of(finished)["training"]
    assert isinstance(training, dict)
    assert training["best_epoch"] == 1 + int(np.argmax(history["validation_kappa"]))
    assert training["best_validation_kappa"] == history["validation_kappa"].max()
    state = torch.load(finished / STATE_FILE, weights_only=True)
    assert state["progress"]["epoch"] == 2
    saved = load_file(finished / "model.safetensors")
    for name, value in state["best_weights"].items():
        torch.testing.assert_close(saved[name], value.to(saved[name].dtype), rtol=0, atol=0)


def test_the_record_says_what_was_done(finished: Path, parts: SplitData) -> None:
    config = load_checkpoint(finished).config
    assert config.name == "resnet18-scratch"
    assert config.data == parts.source
    assert (config.initial_weights.kind, config.initial_weights.sha256) == ("random", None)
    assert config.training is not None
    assert settings().to_json().items() <= dict(config.training).items()
    assert (config.training["device"], config.training["processes"]) == ("cpu", 1)
    assert config.training["precision"] == "float32"


def test_the_split_is_shipped(finished: Path, parts: SplitData) -> None:
    expected = parts.table.set_index("image_id")["part"]
    written = read_split(finished / "split.csv").set_index("image_id")
    assert written["part"].to_dict() == expected.to_dict()
    assert set(written["source"]) == {""}
    assert len(expected) == PICTURES


def test_what_is_fitted_is_fitted_on_validation_with_the_weights_as_saved(
    finished: Path, parts: SplitData
) -> None:
    checkpoint = load_checkpoint(finished)
    pictures = parts.dataset("validation", checkpoint.config.preprocessing)
    logits, maps = predict_with_maps(checkpoint.model, pictures, CPU)
    temperature = fit_temperature(logits, pictures.grades)
    assert checkpoint.config.temperature == pytest.approx(temperature, rel=1e-4)
    threshold = choose_threshold(pictures.grades, probabilities(logits, temperature))
    assert checkpoint.config.referable.threshold == pytest.approx(threshold, rel=1e-4)
    assert checkpoint.config.referable.chosen_on == "validation"
    scale = max(float(np.percentile(maps, 99)), 1e-6)
    assert checkpoint.config.heatmap_scale == pytest.approx(scale, rel=1e-4)


def test_the_metrics_are_those_of_the_saved_checkpoint(
    finished: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--checkpoints", str(finished.parent), "--data", str(photographs), "--json"]
    again = tmp_path / "predictions.csv"
    arguments = ["--model", finished.name, *flags, "--predictions", str(again)]
    assert main(["evaluate", *arguments]) == 0
    assert again.read_bytes() == (finished / "predictions.csv").read_bytes()
    metrics = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == metrics
    assert metrics["n"] == 12


def test_another_test_part_changes_nothing_but_the_metrics_nor_does_running_again(
    finished: Path, parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = parts.table.copy()
    test = table["part"] == "test"
    table.loc[test, "grade"] = (table.loc[test, "grade"] + 1) % 5
    table.loc[test, "path"] = table.loc[test, "path"].to_numpy()[::-1]
    opened: list[bool] = []
    rows = SplitData.rows

    def watching(self: SplitData, part: str) -> pd.DataFrame:
        if part == "test":
            opened.append((tmp_path / "run" / "model.safetensors").exists())
        return rows(self, part)

    monkeypatch.setattr(SplitData, "rows", watching)
    train_run(settings(), replace(parts, table=table), None, tmp_path / "run", CPU)
    assert opened == [True]
    folder = tmp_path / "run"
    assert config_of(folder) == config_of(finished)
    weights = "model.safetensors"
    assert (folder / weights).read_bytes() == (finished / weights).read_bytes()
    assert same_history(folder, finished)
    assert (folder / "metrics.json").read_text() != (finished / "metrics.json").read_text()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are of POSIX")
def test_killed_in_an_epoch_and_between_two_it_ends_with_the_same_weights(
    finished: Path, photographs: Path, parts: SplitData, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    subprocess.run(
        [sys.executable, "-m", "tests.training.killed", str(photographs), str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        check=True,
        capture_output=True,
    )
    assert not (folder / "model.safetensors").exists()
    train_run(settings(), parts, None, folder, CPU, resume=True)
    weights = "model.safetensors"
    assert (folder / weights).read_bytes() == (finished / weights).read_bytes()
    assert same_history(folder, finished)
    assert config_of(folder) == config_of(finished)
    assert {file.name for file in folder.iterdir()} == {file.name for file in finished.iterdir()}


def test_other_settings_do_not_resume_it(finished: Path, parts: SplitData) -> None:
    with pytest.raises(CheckpointError, match="other settings"):
        train_run(settings(lr=0.5), parts, None, finished, CPU, resume=True)


def test_a_run_whose_kappa_is_undefined_is_still_finished(
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Validation of one grade, and a network that always answers it.
    monkeypatch.setattr("retina.training.trainer.quadratic_weighted_kappa", lambda *_: None)
    train_run(settings(epochs=1), parts, None, tmp_path / "run", CPU)
    assert load_checkpoint(tmp_path / "run").metrics is not None
    training = config_of(tmp_path / "run")["training"]
    assert isinstance(training, dict)
    assert training["best_validation_kappa"] is None


def test_a_pretrained_run_starts_from_its_weights_and_says_so(
    parts: SplitData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    state = build("resnet18", num_classes=1000).state_dict()
    initial = InitialWeights("file", "mine.pth", "ab" * 32, state)

    class StopError(Exception):
        pass

    class Looking:
        def __init__(self, run: object, model: torch.nn.Module, *_: object) -> None:
            own = model.state_dict()
            assert torch.equal(own["conv1.weight"], state["conv1.weight"])
            assert own["fc.weight"].shape == (5, 512)
            raise StopError

    monkeypatch.setattr(module, "Trainer", Looking)
    with pytest.raises(StopError):
        train_run(settings(start="pretrained"), parts, initial, tmp_path / "run", CPU)
    assert module._started_from(initial).source == "mine.pth"
    assert module._started_from(initial).kind == "file"
