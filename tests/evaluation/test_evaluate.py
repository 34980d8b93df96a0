import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from retina.assessment import Quality
from retina.datasets import cache as cache_module
from retina.datasets.cache import PreparedCache, prepared_square
from retina.datasets.catalog import Catalog, read_folder
from retina.datasets.parallel import Unreadable
from retina.errors import DataError
from retina.evaluation.calibration import probabilities
from retina.evaluation.evaluate import evaluate, verdicts
from retina.evaluation.intervals import add_intervals
from retina.evaluation.metrics import compute_metrics
from retina.images.decode import prepare, read_photograph
from retina.images.photograph import Photograph
from retina.images.prepare import Preprocessing
from retina.models.checkpoint import Checkpoint, load_checkpoint

CPU = torch.device("cpu")
PROBABILITIES = ["p0", "p1", "p2", "p3", "p4"]


@pytest.fixture(scope="module")
def checkpoint(checkpoints: Path) -> Checkpoint:
    return load_checkpoint("small", checkpoints)


@pytest.fixture(scope="module")
def catalog(drawn_data: Path) -> Catalog:
    return read_folder(drawn_data)


def test_every_row_is_answered_with_the_checkpoints_temperature(
    catalog: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    rows = catalog.table.iloc[[7, 3, 11]]
    evaluation = evaluate(checkpoint, rows, PreparedCache(tmp_path), CPU, batch_size=2)
    predictions = evaluation.predictions
    assert list(predictions) == ["image_id", "grade", "predicted", *PROBABILITIES]
    assert predictions["image_id"].tolist() == rows["image_id"].tolist()
    assert predictions["grade"].tolist() == rows["grade"].tolist()

    inputs = [prepare(path, checkpoint.config.preprocessing) for path in rows["path"]]
    with torch.inference_mode():
        logits = checkpoint.model(torch.from_numpy(np.concatenate(inputs))).double()
    expected = torch.softmax(logits / 1.7, dim=1).numpy()
    answers = predictions[PROBABILITIES].to_numpy()
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-5)
    assert predictions["predicted"].tolist() == expected.argmax(axis=1).tolist()


def test_the_figures_are_those_of_the_predictions(catalog: Catalog, checkpoint: Checkpoint) -> None:
    evaluation = evaluate(checkpoint, catalog.table, PreparedCache(), CPU)
    predictions = evaluation.predictions
    grades, answers = predictions["grade"], predictions[PROBABILITIES].to_numpy()
    before = probabilities(np.log(answers) * 1.7)
    figures = compute_metrics(grades, answers, threshold=0.35, uncalibrated=before)
    patients = catalog.table["patient"].tolist()
    bounded = add_intervals(figures, grades, answers, patients, uncalibrated=before)
    metrics = evaluation.metrics
    assert {name: metrics[name] for name in bounded if name != "before_temperature"} == {
        name: bounded[name] for name in bounded if name != "before_temperature"
    }
    for name, each in bounded["before_temperature"].items():
        assert metrics["before_temperature"][name] == pytest.approx(each)
    assert metrics["n"] == metrics["photographs"] == 20
    assert metrics["referable"]["threshold"] == 0.35
    assert metrics["temperature"] == 1.7
    assert metrics["by_patient"] is False
    assert metrics["tta"] is False
    assert metrics["overlap"] == {"trained_on": 12, "chosen_on": 3, "familiar_patients": 0}


def test_where_the_gate_refuses_nothing_the_figures_without_are_the_figures(
    catalog: Catalog, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Photograph, "quality", Quality("usable", 0.8))
    metrics = evaluate(checkpoint, catalog.table.iloc[:6], PreparedCache(), CPU).metrics
    gate_fields = metrics["quality_gate"]
    assert gate_fields["refused"] == 0
    assert gate_fields["refused_share"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert gate_fields["without_refused"]["accuracy"] == metrics["accuracy"]


def test_what_the_gate_refuses_counts_in_every_figure_but_its_own(
    catalog: Catalog, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = catalog.table.iloc[:12]
    whole = evaluate(checkpoint, rows, PreparedCache(), CPU).metrics
    refused = {Path(path).name for path in rows["path"].iloc[:3]}

    def quality(photograph: Photograph) -> Quality:
        return Quality("reject" if photograph.name in refused else "good", 0.0)

    monkeypatch.setattr(Photograph, "quality", property(quality))
    metrics = evaluate(checkpoint, rows, PreparedCache(), CPU).metrics
    gate_fields = metrics.pop("quality_gate")
    whole.pop("quality_gate")
    assert metrics == whole
    assert gate_fields["refused"] == 3
    assert gate_fields["refused_share"]["value"] == 0.25
    left = evaluate(checkpoint, rows.iloc[3:], PreparedCache(), CPU).metrics
    without = gate_fields["without_refused"]
    assert without["n"] == 9
    for name in ("accuracy", "quadratic_weighted_kappa"):
        assert without[name] == left[name]
    assert without["referable"]["auroc"] == left["referable"]["auroc"]

    refused = {Path(path).name for path in rows["path"]}
    metrics = evaluate(checkpoint, rows, PreparedCache(), CPU).metrics
    assert metrics["quality_gate"]["without_refused"] is None
    json.dumps(metrics, allow_nan=False)


def test_the_eyes_of_a_patient_are_combined_and_the_answers_still_written_one_by_one(
    catalog: Catalog, checkpoint: Checkpoint
) -> None:
    rows = catalog.table.iloc[:10].assign(patient=[str(number // 2) for number in range(10)])
    evaluation = evaluate(checkpoint, rows, PreparedCache(), CPU, by_patient=True)
    metrics, predictions = evaluation.metrics, evaluation.predictions
    assert (metrics["n"], metrics["photographs"], metrics["by_patient"]) == (5, 10, True)
    assert predictions["image_id"].tolist() == rows["image_id"].tolist()
    worse = predictions.assign(patient=rows["patient"].to_numpy()).groupby("patient").max()
    right = (worse["grade"] == worse["predicted"]).mean()
    assert metrics["accuracy"]["value"] == pytest.approx(right)
    assert len(evaluation.answers.grades) == 5
    assert metrics["referable"]["prevalence"] == pytest.approx((worse["grade"] >= 2).mean())


def test_eight_views_are_averaged_and_stated(catalog: Catalog, checkpoint: Checkpoint) -> None:
    rows = catalog.table.iloc[:3]
    evaluation = evaluate(checkpoint, rows, PreparedCache(), CPU, tta=True)
    assert evaluation.metrics["tta"] == {"views": 8, "averaged": "logits"}
    square = torch.from_numpy(prepare(rows["path"].iloc[0], checkpoint.config.preprocessing))
    views = [torch.rot90(side, k, (2, 3)) for side in (square, square.mT) for k in range(4)]
    with torch.inference_mode():
        logits = checkpoint.model(torch.cat(views)).double().mean(dim=0)
    expected = torch.softmax(logits / 1.7, dim=0).numpy()
    answer = evaluation.predictions[PROBABILITIES].iloc[0].to_numpy(dtype=float)
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5)


def test_a_stated_prevalence_reaches_the_predictive_values(
    catalog: Catalog, checkpoint: Checkpoint
) -> None:
    metrics = evaluate(checkpoint, catalog.table, PreparedCache(), CPU, prevalence=0.1).metrics
    assert metrics["referable"]["prevalence"] == 0.1


def test_a_filled_cache_changes_nothing(
    catalog: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    rows, cache = catalog.table.iloc[:3], PreparedCache(tmp_path)
    first = evaluate(checkpoint, rows, cache, CPU)
    again = evaluate(checkpoint, rows, cache, CPU)
    assert again.predictions.equals(first.predictions)
    assert again.metrics == first.metrics


def test_photographs_that_cannot_be_read_are_left_out(
    catalog: Catalog, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photograph")
    rows = catalog.table.iloc[:3].copy()
    rows.loc[rows.index[1], "path"] = str(broken)
    evaluation = evaluate(checkpoint, rows, PreparedCache(tmp_path / "cache"), CPU)
    assert evaluation.predictions["image_id"].tolist() == rows["image_id"].iloc[[0, 2]].tolist()
    assert evaluation.metrics["n"] == 2
    assert [picture.path for picture in evaluation.unreadable] == [str(broken)]
    with pytest.raises(DataError, match=r"none .* can be read"):
        evaluate(checkpoint, rows.iloc[[1]], PreparedCache(tmp_path / "cache"), CPU)


@pytest.mark.parametrize("by_patient", [False, True])
def test_the_figures_of_a_source_are_those_of_its_photographs_alone(
    catalog: Catalog, checkpoint: Checkpoint, by_patient: bool
) -> None:
    table = catalog.table
    half = table["image_id"].isin(table["image_id"].iloc[::2])
    patients = [f"p{number // 2}" for number in range(len(table))]
    rows = table.assign(source=half.map({True: "a", False: "b"}), patient=patients)

    def figures(rows: pd.DataFrame) -> dict[str, Any]:
        return evaluate(checkpoint, rows, PreparedCache(), CPU, by_patient=by_patient).metrics

    together = figures(rows)
    assert list(together["sources"]) == ["a", "b"]
    for source, found in together["sources"].items():
        alone = figures(rows[rows["source"] == source])
        assert "sources" not in alone
        for name in ("n", "accuracy", "balanced_accuracy", "quadratic_weighted_kappa", "ece"):
            assert found[name] == alone[name], name
        assert found["referable"] == {name: alone["referable"][name] for name in found["referable"]}
    columns = list(evaluate(checkpoint, rows, PreparedCache(), CPU).predictions)
    assert columns[-1] == "source"


SETTINGS = Preprocessing(size=32)


@pytest.fixture
def paths(drawn_data: Path) -> list[str]:
    return read_folder(drawn_data).table["path"].tolist()[:4]


def test_the_verdicts_are_those_of_the_gate_in_order(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict(zip((Path(path).name for path in paths), "ABCD", strict=True))

    def quality(photograph: Photograph) -> Quality:
        return Quality(given[photograph.name], 0.5)  # type: ignore[arg-type]

    monkeypatch.setattr(Photograph, "quality", property(quality))
    assert verdicts(paths, SETTINGS, PreparedCache()) == list("ABCD")


def test_the_verdict_is_the_graders(paths: list[str]) -> None:
    expected = [read_photograph(path, at_least=64).quality.verdict for path in paths]
    assert verdicts(paths, SETTINGS, PreparedCache()) == expected


def test_a_photograph_is_decoded_once_and_its_square_kept(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [prepared_square(path, SETTINGS) for path in paths]
    decoded = []

    def counted(path: str, at_least: int) -> Photograph:
        decoded.append(path)
        return read_photograph(path, at_least=at_least)

    monkeypatch.setattr(cache_module, "read_photograph", counted)
    cache = PreparedCache(tmp_path)
    verdicts(paths, SETTINGS, cache)
    assert sorted(decoded) == sorted(paths)
    for path, square in zip(paths, expected, strict=True):
        np.testing.assert_array_equal(cache.square(path, SETTINGS), square)


def test_why_a_photograph_cannot_be_read(tmp_path: Path, paths: list[str]) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photograph")
    first, second = verdicts([str(broken), paths[0]], SETTINGS, PreparedCache())
    assert isinstance(first, Unreadable)
    assert "broken.jpg holds text" in first.reason
    assert isinstance(second, str)


def test_no_photograph_at_all() -> None:
    assert verdicts([], SETTINGS, PreparedCache()) == []


def test_the_processes_that_decode_need_no_pytorch() -> None:
    code = (
        "import sys; from retina.datasets.cache import gate_verdict; "
        "sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
