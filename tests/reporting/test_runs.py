from pathlib import Path

import pytest

from retina.errors import SettingsError
from retina.files import write_json
from retina.reporting.runs import SETTINGS_FILE, StudyRecord, finished_runs, study_record
from tests.reporting.runs import write_run


def output(folder: Path, *names: str, **settings: object) -> Path:
    for name in names:
        write_run(folder, name)
    if settings:
        write_json(folder / SETTINGS_FILE, settings)
    return folder


def test_the_runs_of_one_output_folder_keep_their_study(tmp_path: Path) -> None:
    folder = output(tmp_path, "resnet18-scratch-a", study="ablation", remarks=["x"], gap="none")
    expected = StudyRecord("ablation", ("x",), "none")
    assert study_record(finished_runs([folder])) == expected
    assert study_record(finished_runs([folder / "resnet18-scratch-a"])) == expected


def test_the_runs_of_several_are_a_comparison_and_remarks_name_their_folder(tmp_path: Path) -> None:
    one = output(tmp_path / "one", "resnet18-scratch", study="imbalance", remarks=["x", "y"])
    two = output(tmp_path / "two", "resnet50-scratch", study="imbalance", remarks=["z"], gap="g")
    record = study_record(finished_runs([one, two]))
    assert record == StudyRecord("comparison", ("one: x", "one: y", "two: z"), "two: g")


def test_nothing_is_said_of_a_run_without_an_output_folder(tmp_path: Path) -> None:
    assert study_record(finished_runs([output(tmp_path, "resnet18-scratch")])) == StudyRecord()


@pytest.mark.parametrize(
    "settings",
    [
        {"study": "x"},
        {"study": ["ablation"]},
        {"remarks": 5},
        {"remarks": [5]},
        {"gap": 5},
        {"runs": 5},
        {"runs": {"resnet18-scratch": 5}},
        {"initial weights": 5},
    ],
)
def test_settings_of_another_form_are_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    folder = output(tmp_path, "resnet18-scratch", **settings)
    with pytest.raises(SettingsError, match=r"is not a settings file of train\.py"):
        study_record(finished_runs([folder]))


@pytest.mark.parametrize("text", ["[", "[]", "[" * 100_000, "\0"])
def test_a_damaged_settings_file_is_refused(tmp_path: Path, text: str) -> None:
    folder = output(tmp_path, "resnet18-scratch")
    (folder / SETTINGS_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"is not a settings file of train\.py"):
        study_record(finished_runs([folder]))


def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = output(tmp_path, "resnet18-scratch")
    (folder / SETTINGS_FILE).mkdir()
    with pytest.raises(SettingsError, match=r"settings\.json cannot be read"):
        study_record(finished_runs([folder]))
