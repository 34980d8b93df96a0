import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import rel_entr, softmax
from torch import Tensor

from retina.cli import main
from retina.datasets.dataset import RetinopathyDataset
from retina.errors import CheckpointError, SettingsError
from retina.images.prepare import Preprocessing
from retina.models.checkpoint import load_checkpoint
from retina.training.data import SplitData
from retina.training.run import train_run
from retina.training.settings import RunSettings, TeacherSettings
from retina.training.teacher import Teacher, load_teacher, refuse_familiar
from tests.training.runs import CPU, IMAGE_SIZE, settings


def taught(folder: Path, **changes: object) -> tuple[RunSettings, Teacher]:
    checkpoint = load_checkpoint(folder)
    teacher = TeacherSettings("resnet18-scratch", checkpoint.config.weights_sha256)
    preprocessing = Preprocessing(size=IMAGE_SIZE, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    return settings(teacher=teacher, **changes), Teacher(checkpoint, teacher, preprocessing, CPU)


def test_the_teacher_sees_pictures_as_in_its_own_training(finished: Path, parts: SplitData) -> None:
    checkpoint = load_checkpoint(finished)
    mine = replace(checkpoint.config.preprocessing, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    its: RetinopathyDataset = parts.dataset("validation", checkpoint.config.preprocessing)
    ours = parts.dataset("validation", mine)
    with torch.inference_mode():
        expected: Tensor = checkpoint.model(torch.stack([its[i][0] for i in range(6)]))
    _, teacher = taught(finished)
    answers = teacher.logits(torch.stack([ours[i][0] for i in range(6)]))
    torch.testing.assert_close(answers, expected, rtol=0, atol=1e-4)


def test_pictures_of_another_size_are_brought_to_the_teachers(finished: Path) -> None:
    _, teacher = taught(finished)
    assert teacher.logits(torch.rand(2, 3, 96, 96)).shape == (2, 5)


def test_the_combined_loss_is_hintons(finished: Path) -> None:
    _, teacher = taught(finished)
    random = np.random.default_rng(0)
    logits, answers = random.normal(size=(2, 7, 5))
    divergence = rel_entr(softmax(answers / 2, axis=1), softmax(logits / 2, axis=1)).sum(axis=1)
    combined = teacher.combined(
        torch.tensor(1.5), torch.from_numpy(logits), torch.from_numpy(answers)
    )
    assert float(combined) == pytest.approx(0.3 * 1.5 + 0.7 * 4 * divergence.mean())
    agreed = teacher.combined(torch.tensor(0.0), torch.ones(1, 5), torch.ones(1, 5))
    assert float(agreed) == pytest.approx(0)


def test_a_taught_run_differs_and_says_so(finished: Path, parts: SplitData, tmp_path: Path) -> None:
    run, _ = taught(finished, start="pretrained")
    assert run.name == "resnet18-taught"
    assert replace(run, start="scratch").name == "resnet18-scratch-taught"
    assert "teacher" not in settings().to_json()
    folder = tmp_path / run.name
    train_run(
        replace(run, start="scratch"), parts, None, folder, CPU, teacher=load_checkpoint(finished)
    )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["training"]["teacher"] == {
        "name": "resnet18-scratch",
        "sha256": load_checkpoint(finished).config.weights_sha256,
        "weight": 0.7,
        "temperature": 2.0,
    }
    plain, with_teacher = (load_checkpoint(each).model.state_dict() for each in (finished, folder))
    assert not torch.equal(plain["conv1.weight"], with_teacher["conv1.weight"])


def test_a_teacher_who_knows_what_is_held_out_is_refused(finished: Path, parts: SplitData) -> None:
    teacher = load_checkpoint(finished)
    refuse_familiar(teacher, parts.table)
    swapped = parts.table.assign(part=parts.table["part"].replace({"train": "test"}))
    with pytest.raises(SettingsError, match="trained on 42 of the photographs that this run keeps"):
        refuse_familiar(teacher, swapped)
    refuse_familiar(teacher, pd.DataFrame({"image_id": ["new"], "part": ["test"]}))


def test_a_teacher_is_found_by_folder_and_missed_by_name(finished: Path) -> None:
    assert load_teacher(str(finished)).folder == finished
    with pytest.raises(CheckpointError, match="nobody"):
        load_teacher("nobody")


def test_the_flag_trains_with_it(finished: Path, photographs: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    flags = ["--model", "resnet18", "--scratch", "--epochs", "1", "--image-size", str(IMAGE_SIZE)]
    flags += ["--data", str(photographs), "--teacher", str(finished), "--output", str(output)]
    assert main(["train", *flags]) == 0
    report = (output / "report.html").read_text(encoding="utf-8")
    assert "name resnet18-scratch, weight 0.7, temperature 2" in report
    assert (output / "resnet18-scratch-taught" / "metrics.json").exists()
