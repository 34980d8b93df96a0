import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from retina.datasets import synthetic
from retina.datasets.catalog import read_folder
from retina.datasets.sources import combine, public_set, read_sources
from retina.datasets.splits import write_split
from retina.inference.grader import Grader
from retina.models.config import SPLIT_FILE, DataSource
from tests.checkpoints import save_small
from tests.cli.shell import Answer, retina

Shell = pytest.CaptureFixture[str]

KEYS = {
    "n",
    "accuracy",
    "balanced_accuracy",
    "quadratic_weighted_kappa",
    "macro_f1",
    "majority_baseline_accuracy",
    "ece",
    "referable",
    "confusion_matrix",
}


def evaluate(capsys: Shell, checkpoints: Path, data: Path, *arguments: str | Path) -> Answer:
    flags = ("--model", "small", "--checkpoints", checkpoints, "--data", data, "--device", "cpu")
    return retina(capsys, "evaluate", *flags, *arguments)


def strict_json(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def unknown(drawn_data: Path, tmp_path: Path) -> Path:
    """Three photographs of one grade that no checkpoint has met."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    names = [f"eye{number}" for number in range(3)]
    for name, file in zip(names, sorted((drawn_data / "images").iterdir()), strict=False):
        shutil.copy(file, folder / f"{name}.jpg")
    rows = "".join(f"{name},0\n" for name in names)
    (folder / "train.csv").write_text(f"id_code,diagnosis\n{rows}")
    return folder


def test_json_is_all_that_stdout_holds(capsys: Shell, checkpoints: Path, drawn_data: Path) -> None:
    answer = evaluate(capsys, checkpoints, drawn_data, "--json")
    assert answer.status == 0
    metrics = strict_json(answer.out)
    assert set(metrics) >= KEYS
    assert set(metrics["referable"]) >= {"sensitivity", "specificity", "auroc", "threshold"}
    assert "error:" not in answer.err
    assert "warning:" not in answer.err


def test_the_test_part_is_the_default(capsys: Shell, checkpoints: Path, drawn_data: Path) -> None:
    default = strict_json(evaluate(capsys, checkpoints, drawn_data, "--json").out)
    test = strict_json(evaluate(capsys, checkpoints, drawn_data, "--split", "test", "--json").out)
    assert default == test
    assert default["n"] == sum(map(sum, default["confusion_matrix"])) == 5


def test_all_warns_where_pictures_were_trained_on(
    capsys: Shell, checkpoints: Path, drawn_data: Path
) -> None:
    answer = evaluate(capsys, checkpoints, drawn_data, "--split", "all", "--json")
    assert answer.status == 0
    assert strict_json(answer.out)["n"] == 20
    (warning,) = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert "trained on 12 of these 20 pictures" in warning


def test_drawn_photographs_are_data_too(
    capsys: Shell, checkpoints: Path, drawn_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "synthetic_catalog", lambda: read_folder(drawn_data))
    drawn, folder = (
        evaluate(capsys, checkpoints, Path(data), "--split", "all", "--json").out
        for data in ("synthetic", str(drawn_data))
    )
    assert strict_json(drawn) == strict_json(folder)


def test_an_unknown_folder_has_only_all(capsys: Shell, checkpoints: Path, unknown: Path) -> None:
    answer = evaluate(capsys, checkpoints, unknown, "--json")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.count("\n") == len(answer.errors) == 1
    assert "use --split all" in answer.errors[0]

    answer = evaluate(capsys, checkpoints, unknown, "--json", "--split", "all")
    assert answer.status == 0
    assert "warning:" not in answer.err
    metrics = strict_json(answer.out)
    assert metrics["n"] == 3
    assert metrics["referable"]["sensitivity"] is None
    assert metrics["referable"]["auroc"] is None


def test_predictions_are_those_of_grade(
    capsys: Shell, checkpoints: Path, drawn_data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "answers.csv"
    answer = evaluate(capsys, checkpoints, drawn_data, "--json", "--predictions", file)
    assert answer.status == 0
    with file.open(newline="") as text:
        header, *rows = csv.reader(text)
    assert header == ["image_id", "grade", "predicted", "p0", "p1", "p2", "p3", "p4"]
    grader, table = Grader.load("small", checkpoints), read_folder(drawn_data).table.iloc[15:]
    assert [row[0] for row in rows] == table["image_id"].tolist()
    assert [int(row[1]) for row in rows] == table["grade"].tolist()
    for row, path in zip(rows, table["path"], strict=True):
        expected = grader.grade(path)
        assert expected.probabilities == pytest.approx([float(p) for p in row[3:]], abs=1e-5)
        assert int(row[2]) == expected.grade
    right = sum(row[1] == row[2] for row in rows) / len(rows)
    assert strict_json(answer.out)["accuracy"]["value"] == pytest.approx(right)


def test_the_table_holds_the_same_figures(capsys: Shell, checkpoints: Path, unknown: Path) -> None:
    flags = ("--split", "all")
    metrics = strict_json(evaluate(capsys, checkpoints, unknown, *flags, "--json").out)
    table = evaluate(capsys, checkpoints, unknown, *flags).out
    figures = {line[:40].strip(): line[40:] for line in table.splitlines() if len(line) > 40}
    assert figures["recall 4"] == "undefined"
    assert figures["n"] == "3"
    ece = metrics["ece"]
    assert figures["ece"] == f"{ece['value']:.4f} ({ece['low']:.4f} to {ece['high']:.4f})"
    assert figures["referable auroc"] == "undefined"
    matrix = [line.split() for line in table.splitlines()[-5:]]
    assert [[int(count) for count in row] for row in matrix] == metrics["confusion_matrix"]


def test_figures_are_written_as_pictures(
    capsys: Shell, checkpoints: Path, drawn_data: Path, unknown: Path, tmp_path: Path
) -> None:
    answer = evaluate(capsys, checkpoints, drawn_data, "--json", "--figures", tmp_path / "new")
    assert answer.status == 0
    names = {"confusion-matrix.png", "reliability.png", "roc.png"}
    assert {file.name for file in (tmp_path / "new").iterdir()} == names
    for name in names:
        with Image.open(tmp_path / "new" / name) as picture:
            assert picture.format == "PNG"
    # Where nobody is referable there is no ROC.
    folder = tmp_path / "healthy"
    answer = evaluate(capsys, checkpoints, unknown, "--split", "all", "--figures", folder)
    assert answer.status == 0
    assert {file.name for file in folder.iterdir()} == names - {"roc.png"}


def test_combining_eyes_where_there_are_none_says_so(
    capsys: Shell, checkpoints: Path, drawn_data: Path
) -> None:
    answer = evaluate(capsys, checkpoints, drawn_data, "--json", "--by-patient")
    assert "--by-patient changes nothing" in answer.err
    metrics = strict_json(answer.out)
    assert metrics["by_patient"] is True
    assert metrics["n"] == 5


@pytest.mark.parametrize("share", ["0", "1", "12", "nan"])
def test_a_prevalence_that_cannot_be_is_refused_before_any_work(
    capsys: Shell, checkpoints: Path, share: str, tmp_path: Path
) -> None:
    answer = evaluate(capsys, checkpoints, tmp_path / "nowhere", "--prevalence", share)
    assert (answer.status, answer.out) == (2, "")
    assert "between 0 and 1" in answer.errors[0]


def test_a_prevalence_is_stated(capsys: Shell, checkpoints: Path, drawn_data: Path) -> None:
    answer = evaluate(capsys, checkpoints, drawn_data, "--prevalence", "0.1", "--tta", "--json")
    metrics = strict_json(answer.out)
    assert metrics["referable"]["prevalence"] == 0.1
    assert metrics["tta"] == {"views": 8, "averaged": "logits"}


def test_a_folder_that_is_not_there_is_one_line(
    capsys: Shell, checkpoints: Path, tmp_path: Path
) -> None:
    answer = evaluate(capsys, checkpoints, tmp_path / "nowhere", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.count("\n") == len(answer.errors) == 1


def test_an_unknown_device_is_one_line(capsys: Shell, checkpoints: Path, drawn_data: Path) -> None:
    answer = evaluate(capsys, checkpoints, drawn_data, "--device", "abacus")
    assert (answer.status, answer.out) == (2, "")
    assert "--device abacus" in answer.errors[0]


def test_onnx_runtime_gives_the_same_answers(
    capsys: Shell, checkpoints: Path, drawn_data: Path, tmp_path: Path
) -> None:
    rows = []
    for engine in ("torch", "onnxruntime"):
        file = tmp_path / f"{engine}.csv"
        evaluate(capsys, checkpoints, drawn_data, "--engine", engine, "--predictions", file)
        with file.open() as lines:
            rows.append(list(csv.DictReader(lines)))
    for one, other in zip(*rows, strict=True):
        assert one["predicted"] == other["predicted"]
        for grade in range(5):
            assert float(one[f"p{grade}"]) == pytest.approx(float(other[f"p{grade}"]), abs=1e-4)


@pytest.fixture
def hospitals(drawn_data: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of ten photographs of all grades, which have the same names."""
    files = read_folder(drawn_data).table
    folders = tmp_path / "north", tmp_path / "south"
    for folder, rows in zip(folders, (files.iloc[::2], files.iloc[1::2]), strict=True):
        folder.mkdir()
        lines = ["image_id,grade"]
        for number, (path, grade) in enumerate(zip(rows["path"], rows["grade"], strict=True)):
            name = f"{number // 2}_{'left' if number % 2 else 'right'}"
            shutil.copy(path, folder / f"{name}.jpg")
            lines.append(f"{name},{grade}")
        (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folders


@pytest.fixture
def of_two(hospitals: tuple[Path, Path], tmp_path: Path) -> Path:
    """A folder with the checkpoint ``small``, of which each hospital has another test part."""
    catalogs = read_sources(hospitals)
    table, _ = combine(catalogs)
    sources = tuple(
        DataSource(each.name, 10, each.fingerprint, "none", public_set=public_set(each))
        for each in catalogs
    )
    data = DataSource("north + south", 20, "0" * 64, "none", sources=sources)
    save_small(tmp_path / "models" / "small", data=data)
    parts = pd.Series(["train"] * 4 + ["test"] * 6 + ["test"] * 8 + ["train"] * 2, table.index)
    write_split(tmp_path / "models" / "small" / SPLIT_FILE, table, parts)
    return tmp_path / "models"


@pytest.mark.parametrize("by_patient", [(), ("--by-patient",)])
def test_each_of_several_folders_has_the_figures_that_it_has_alone(
    capsys: Shell,
    of_two: Path,
    hospitals: tuple[Path, Path],
    tmp_path: Path,
    by_patient: tuple[str, ...],
) -> None:
    north, south = hospitals
    file = tmp_path / "answers.csv"
    answer = evaluate(
        capsys, of_two, north, "--data", south, "--json", "--predictions", file, *by_patient
    )
    assert "warning:" not in answer.err
    together = strict_json(answer.out)
    assert together["photographs"] == 14
    keys = list(together)
    assert keys.index("sources") + 1 == keys.index("quality_gate")
    assert list(together["sources"]) == ["north", "south"]
    for folder in hospitals:
        found = together["sources"][folder.name]
        alone = strict_json(evaluate(capsys, of_two, folder, "--json", *by_patient).out)
        assert "sources" not in alone
        assert found["n"] == alone["n"]
        assert {name: alone[name] for name in found if name != "referable"} == {
            name: found[name] for name in found if name != "referable"
        }
        assert found["referable"] == {name: alone["referable"][name] for name in found["referable"]}
    with file.open(newline="") as text:
        sources = [row["source"] for row in csv.DictReader(text)]
    assert sources == ["north"] * 6 + ["south"] * 8


def test_a_model_of_one_folder_is_evaluated_on_several(
    capsys: Shell, checkpoints: Path, drawn_data: Path, hospitals: tuple[Path, Path]
) -> None:
    alone = evaluate(capsys, checkpoints, drawn_data, "--json")
    beside = evaluate(capsys, checkpoints, drawn_data, "--data", hospitals[0], "--json")
    assert beside.status == 0
    assert strict_json(beside.out) == strict_json(alone.out)  # the other has no test part
    everything = evaluate(
        capsys, checkpoints, drawn_data, "--data", hospitals[0], "--split", "all", "--json"
    )
    metrics = strict_json(everything.out)
    assert {name: each["n"] for name, each in metrics["sources"].items()} == {
        "drawn": 20,
        "north": 10,
    }
    assert metrics["overlap"] == {"trained_on": 12, "chosen_on": 3, "familiar_patients": 0}


def test_a_folder_with_names_of_a_source_is_told_from_it(
    capsys: Shell, of_two: Path, hospitals: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "west"
    shutil.copytree(hospitals[0], other)
    kept = ["0_right", "0_left"]
    for file in other.glob("*.jpg"):
        if file.stem not in kept:
            file.rename(other / f"9{file.name}")
    rows = (other / "labels.csv").read_text().splitlines()
    renamed = [row if row.split(",")[0] in kept else f"9{row}" for row in rows[1:]]
    (other / "labels.csv").write_text("\n".join([rows[0], *renamed]) + "\n")
    answer = evaluate(capsys, of_two, other, "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "use --split all" in answer.errors[0]
    answer = evaluate(capsys, of_two, other, "--split", "all", "--json")
    assert answer.status == 0
    (warning,) = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert "2 of the 10 pictures of west have names" in warning
    assert strict_json(answer.out)["overlap"]["trained_on"] == 0


def test_a_folder_given_twice_is_one_line(
    capsys: Shell, checkpoints: Path, drawn_data: Path
) -> None:
    answer = evaluate(capsys, checkpoints, drawn_data, "--data", drawn_data)
    assert (answer.status, answer.out, len(answer.errors)) == (2, "", 1)
    assert "given twice" in answer.errors[0]
