import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retina.errors import CheckpointError
from retina.files import write_json
from retina.reporting.experiment_report import write_experiment_report
from retina.reporting.leave_one_out import left_out_rows, left_out_table
from retina.reporting.runs import FinishedRun, read_finished_run
from tests.reporting.runs import write_run

HOSPITALS = ("aptos2019", "eyepacs+eyepacs400")


def figures(kappa: float, auroc: float, n: int) -> dict[str, Any]:
    def bounded(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.05, "high": value + 0.05}

    return {
        "n": n,
        "quadratic_weighted_kappa": bounded(kappa),
        "referable": {"auroc": bounded(auroc), "sensitivity": 0.9, "specificity": 0.8},
        "confusion_matrix": [[n, 0, 0, 0, 0], *[[0] * 5] * 4],
    }


@pytest.fixture
def runs(tmp_path: Path) -> list[FinishedRun]:
    """A run on all sources and one without each of two hospitals, with what they evaluated."""
    whole = write_run(tmp_path, "resnet18-pretrained")
    folders = [whole]
    for number, hospital in enumerate(HOSPITALS):
        write_json(
            whole / "evaluations" / f"test-of-{hospital}.json",
            figures(0.8 - number / 10, 0.95, 100 + number),
        )
        training = {"start": "pretrained", "left_out": hospital, "best_epoch": 1}
        run = write_run(tmp_path, f"resnet18-pretrained-without-{hospital}", training=training)
        for name, n in (("left-out-test", 100 + number), ("left-out", 500 + number)):
            write_json(run / "evaluations" / f"{name}.json", figures(0.4, 0.75 + number / 10, n))
        folders.append(run)
    return [read_finished_run(folder) for folder in folders]


def test_each_hospital_is_a_row_beside_the_run_on_all(runs: list[FinishedRun]) -> None:
    rows = left_out_rows(runs)
    assert [(row.name, row.hospital) for row in rows] == [
        ("resnet18-pretrained", hospital) for hospital in HOSPITALS
    ]
    table = left_out_table(rows)
    assert table["n_test"].tolist() == [100, 101]
    assert table["n"].tolist() == [500, 501]
    assert table["in_source_kappa"].tolist() == pytest.approx([0.8, 0.7])
    assert table["left_out_test_auroc"].tolist() == pytest.approx([0.75, 0.85])
    assert table["left_out_kappa_low"].tolist() == pytest.approx([0.35, 0.35])


def test_the_report_has_table_figure_and_file(runs: list[FinishedRun], tmp_path: Path) -> None:
    output = tmp_path / "report"
    write_experiment_report(
        output, runs, study="leave-one-out", remarks=(), gap=None, command="python train.py"
    )
    assert (output / "leave-one-out.png").stat().st_size > 10_000
    assert len(pd.read_csv(output / "leave-one-out.csv")) == 2
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "<h1>Hospitals left out of training</h1>" in page
    assert page.count('<td class="text">eyepacs+eyepacs400</td>') == 1
    assert "0.750<small>0.700–0.800</small>" in page
    # The runs without a hospital have no curves or matrices of their own.
    assert sorted(file.name for file in output.glob("*.png")) == [
        "accuracy-trend-resnet18.png",
        "confusion-matrix-resnet18-pretrained.png",
        "leave-one-out.png",
    ]
    assert len(pd.read_csv(output / "comparison.csv")) == 3


def test_what_is_missing_is_named(runs: list[FinishedRun]) -> None:
    with pytest.raises(CheckpointError, match="without the run on all sources"):
        left_out_rows(runs[1:])
    (runs[2].folder / "evaluations" / "left-out.json").unlink()
    with pytest.raises(CheckpointError, match=r"left-out\.json is missing: .*--resume"):
        left_out_rows(runs)


def test_figures_of_each_source_stand_in_report_and_table(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "resnet18-scratch")
    metrics = json.loads((folder / "metrics.json").read_text())
    own = {**figures(0.61, 0.87, 99), "accuracy": 0.7, "balanced_accuracy": 0.5, "ece": 0.03}
    write_json(folder / "metrics.json", {**metrics, "sources": {"one": own, "=two": own}})
    output = tmp_path / "report"
    write_experiment_report(
        output,
        [read_finished_run(folder)],
        study="comparison",
        remarks=(),
        gap=None,
        command="python train.py",
    )
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "<h2>By source</h2>" in page
    assert page.count("0.610<small>0.560–0.660</small>") == 2
    table = pd.read_csv(output / "comparison.csv")
    assert table["one_quadratic_weighted_kappa"].tolist() == [0.61]
    assert table["one_referable_auroc"].tolist() == [0.87]
