import json
from pathlib import Path
from typing import Any

import pytest

from retina.errors import SettingsError
from retina.training.data import read_split_data
from retina.training.leave_one_out import evaluate_left_out, with_each_left_out
from retina.training.run import train_run
from tests.datasets.test_sources import write_folder
from tests.training.runs import CPU, settings


def test_each_run_is_followed_by_one_without_each_hospital() -> None:
    runs = [settings(), settings(start="pretrained")]
    planned = with_each_left_out(runs, [("a",), ("b", "c")])
    assert [run.name for run in planned] == [
        "resnet18-scratch",
        "resnet18-scratch-without-a",
        "resnet18-scratch-without-b+c",
        "resnet18-pretrained",
        "resnet18-pretrained-without-a",
        "resnet18-pretrained-without-b+c",
    ]
    assert planned[2].left_out == ("b", "c")
    assert planned[2].to_json()["left_out"] == "b+c"
    assert "left_out" not in planned[0].to_json()


def test_one_hospital_cannot_be_left_out() -> None:
    with pytest.raises(SettingsError, match="two data sets or more"):
        with_each_left_out([settings()], [("a", "b")])


def test_a_run_answers_what_it_never_saw_and_the_run_on_all_its_test_part(
    photographs: Path, tmp_path: Path
) -> None:
    names = {f"p{number}": number % 5 for number in range(20)}
    other = write_folder(tmp_path / "other", "image_id,grade", names)
    parts = read_split_data([str(photographs), str(other)], 0)
    whole, _, without = with_each_left_out([settings(epochs=1)], parts.hospitals)
    for run in (whole, without):
        folder = tmp_path / run.name
        seen = parts.without(run.left_out) if run.left_out else parts
        train_run(run, seen, None, folder, CPU)
        evaluate_left_out(run, parts, folder, CPU)

    def read(run: str, name: str) -> Any:
        return json.loads((tmp_path / run / "evaluations" / f"{name}.json").read_text())

    own = parts.rows("test")
    in_test = int((own["source"] == "other").sum())
    assert read(whole.name, "test-of-other")["n"] == in_test
    assert read(without.name, "left-out-test")["n"] == in_test
    assert read(without.name, "left-out")["n"] == int((parts.table["source"] == "other").sum())
    assert read(without.name, "left-out")["overlap"]["trained_on"] == 0
    config = json.loads((tmp_path / without.name / "config.json").read_text())
    assert config["data"]["name"] == photographs.name
    assert config["training"]["left_out"] == "other"
