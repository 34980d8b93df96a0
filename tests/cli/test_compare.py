import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retina.datasets.catalog import read_folder
from retina.datasets.splits import write_split
from retina.evaluation.predictions import Predictions
from retina.models.checkpoint import save_checkpoint
from retina.models.config import OperatingPoint
from tests.checkpoints import save_small, small_config, small_network, split_data
from tests.cli.shell import Answer, retina

Shell = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, drawn_data: Path) -> Path:
    """A folder with the checkpoints ``small`` and ``other``, of one split."""
    folder = tmp_path_factory.mktemp("two")
    save_small(folder / "small")
    config = small_config(name="other", referable=OperatingPoint(0.2, "by hand", "validation"))
    save_checkpoint(folder / "other", small_network(seed=1), config)
    for name in ("small", "other"):
        split_data(folder / name, drawn_data)
    return folder


def compare(capsys: Shell, folder: Path, data: Path, *arguments: str) -> Answer:
    flags = ("--checkpoints", folder, "--data", data, "--device", "cpu")
    return retina(capsys, "compare", "small", "other", *flags, *arguments)


def read_json(answer: Answer) -> Any:
    assert answer.status == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(answer.out, parse_constant=refuse)


def test_the_figures_are_those_of_evaluate(capsys: Shell, two: Path, drawn_data: Path) -> None:
    comparison = read_json(compare(capsys, two, drawn_data, "--json"))
    assert comparison["models"] == ["small", "other"]
    assert comparison["n"] == comparison["photographs"] == 5
    for place, name in (("first", "small"), ("second", "other")):
        flags = ("--model", name, "--checkpoints", two, "--data", drawn_data, "--json")
        metrics = json.loads(retina(capsys, "evaluate", *flags).out)
        own = comparison[place]
        assert own["quadratic_weighted_kappa"] == metrics["quadratic_weighted_kappa"]
        assert own["accuracy"] == metrics["accuracy"]
        assert own["referable_auroc"] == metrics["referable"]["auroc"]


def test_the_table_ends_with_the_same_sentence(capsys: Shell, two: Path, drawn_data: Path) -> None:
    comparison = read_json(compare(capsys, two, drawn_data, "--json"))
    answer = compare(capsys, two, drawn_data)
    assert answer.status == 0
    assert answer.out.splitlines()[-1] == comparison["conclusion"]
    assert "on these 5 photographs" in comparison["conclusion"]
    p = comparison["mcnemar"]["accuracy"]["p"]
    assert f"{'mcnemar accuracy p':<40}{p:.4f}" in answer.out


def test_pictures_that_trained_one_are_refused(capsys: Shell, two: Path, drawn_data: Path) -> None:
    answer = compare(capsys, two, drawn_data, "--split", "all", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "small on 15, other on 15 of these 20" in answer.errors[0]


def test_patients_are_counted_once(
    capsys: Shell, two: Path, drawn_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "eyes"
    folder.mkdir()
    rows = []
    for number, file in enumerate(sorted((drawn_data / "images").iterdir())[:6]):
        name = f"{number // 2 + 1}_{'left' if number % 2 else 'right'}"
        shutil.copy(file, folder / f"{name}.jpg")
        rows.append(f"{name},{number % 5}\n")
    (folder / "trainLabels.csv").write_text("image,level\n" + "".join(rows))
    answer = compare(capsys, two, folder, "--split", "all", "--by-patient", "--json")
    comparison = read_json(answer)
    assert (comparison["n"], comparison["photographs"], comparison["by_patient"]) == (3, 6, True)
    assert "3 patients" in comparison["conclusion"]


def test_both_models_see_the_same_photographs_where_one_cannot_be_read(
    capsys: Shell, two: Path, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(drawn_data, folder)
    table = read_folder(folder).table
    Path(table["path"].iloc[19]).write_text("no photograph")
    seen: list[int] = []
    by_patient = Predictions.by_patient

    def watching(self: Predictions) -> Predictions:
        seen.append(len(self.grades))
        return by_patient(self)

    monkeypatch.setattr(Predictions, "by_patient", watching)
    answer = compare(capsys, two, folder, "--by-patient")
    assert answer.status == 0
    assert seen == [4, 4]
    assert answer.err.count("left out: ") == 1


def test_a_model_is_not_compared_with_itself(capsys: Shell, two: Path, drawn_data: Path) -> None:
    answer = retina(capsys, "compare", "small", "small", "--checkpoints", two, "--data", drawn_data)
    assert (answer.status, answer.out) == (2, "")
    assert "name another model" in answer.errors[0]


def test_an_unknown_model_is_one_line(capsys: Shell, two: Path, drawn_data: Path) -> None:
    answer = retina(capsys, "compare", "small", "large", "--checkpoints", two, "--data", drawn_data)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.count("\n") == len(answer.errors) == 1


def test_a_shared_patient_is_warned_of(
    capsys: Shell, two: Path, drawn_data: Path, tmp_path: Path
) -> None:
    folder, models = tmp_path / "eyes", tmp_path / "models"
    shutil.copytree(two, models)
    folder.mkdir()
    for file, name in zip(
        sorted((drawn_data / "images").iterdir()), ("7_left", "7_right"), strict=False
    ):
        shutil.copy(file, folder / f"{name}.jpg")
    (folder / "trainLabels.csv").write_text("image,level\n7_left,0\n7_right,2\n")
    table = read_folder(folder).table
    for name in ("small", "other"):
        parts = pd.Series(["train", "test"], index=table.index)
        write_split(models / name / "split.csv", table, parts)
    answer = compare(capsys, models, folder)
    assert answer.status == 0
    assert answer.err.count("belong to a patient") == 2


def test_several_folders_are_compared_on_together(
    capsys: Shell, two: Path, drawn_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    names = []
    for number, file in enumerate(sorted((drawn_data / "images").iterdir())[:3]):
        shutil.copy(file, folder / f"eye{number}.jpg")
        names.append(f"eye{number},{number}\n")
    (folder / "labels.csv").write_text("image_id,grade\n" + "".join(names))
    alone = read_json(compare(capsys, two, drawn_data, "--json"))
    beside = read_json(compare(capsys, two, drawn_data, "--data", str(folder), "--json"))
    assert beside == alone  # the other has no test part
    answer = compare(capsys, two, drawn_data, "--data", str(folder), "--split", "all")
    assert "small on 15, other on 15 of these 23" in answer.errors[0]


def test_a_folder_known_by_names_alone_is_warned_of(
    capsys: Shell, two: Path, drawn_data: Path
) -> None:
    # Its labels are not those that the configuration of both models gives.
    answer = compare(capsys, two, drawn_data)
    assert answer.err.count("warning: 20 of the 20 pictures of drawn have names that") == 2
