from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from retina.datasets.cache import PreparedCache
from retina.datasets.catalog import Catalog
from retina.datasets.formats import read_folder
from retina.errors import DataError
from retina.evaluation.evaluate import Part, choose_rows, evaluate
from retina.evaluation.intervals import add_intervals
from retina.evaluation.metrics import compute_metrics
from retina.images.prepare import prepare
from retina.models.checkpoint import Checkpoint, load_checkpoint
from retina.models.config import SPLIT_FILE

CPU = torch.device("cpu")
PROBABILITIES = ["p0", "p1", "p2", "p3", "p4"]


@pytest.fixture(scope="module")
def checkpoint(checkpoints: Path) -> Checkpoint:
    return load_checkpoint("small", checkpoints)


@pytest.fixture(scope="module")
def catalog(drawn_data: Path) -> Catalog:
    return read_folder(drawn_data)


@pytest.fixture
def without_split(checkpoint: Checkpoint, tmp_path: Path) -> Checkpoint:
    return replace(checkpoint, folder=tmp_path)


@pytest.mark.parametrize(
    ("part", "first", "stop"), [("train", 0, 12), ("validation", 12, 15), ("test", 15, 20)]
)
def test_a_part_is_what_the_checkpoint_says_it_is(
    catalog: Catalog, checkpoint: Checkpoint, part: Part, first: int, stop: int
) -> None:
    rows, warning = choose_rows(catalog, checkpoint, part)
    assert rows["image_id"].tolist() == catalog.table["image_id"].tolist()[first:stop]
    assert warning is None


def test_all_of_a_known_folder_warns_with_counts(catalog: Catalog, checkpoint: Checkpoint) -> None:
    rows, warning = choose_rows(catalog, checkpoint, "all")
    assert rows.equals(catalog.table)
    assert warning is not None
    assert "trained on 12 of these 20 pictures" in warning
    assert "chosen on 3" in warning


def test_all_does_not_warn_where_only_test_pictures_are_known(
    catalog: Catalog, checkpoint: Checkpoint
) -> None:
    test = replace(catalog, table=catalog.table.iloc[15:])
    rows, warning = choose_rows(test, checkpoint, "all")
    assert len(rows) == 5
    assert warning is None


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_folder_that_the_checkpoint_does_not_know_has_only_all(
    catalog: Catalog, checkpoint: Checkpoint, part: Part
) -> None:
    table = catalog.table.assign(image_id="other-" + catalog.table["image_id"])
    unknown = replace(catalog, name="elsewhere", table=table)
    with pytest.raises(DataError, match=rf"small .* elsewhere .* {part} part: use --split all"):
        choose_rows(unknown, checkpoint, part)
    rows, warning = choose_rows(unknown, checkpoint, "all")
    assert len(rows) == 20
    assert warning is None


def test_a_checkpoint_without_a_split_knows_nothing(
    catalog: Catalog, without_split: Checkpoint
) -> None:
    with pytest.raises(DataError, match="use --split all"):
        choose_rows(catalog, without_split, "test")
    rows, warning = choose_rows(catalog, without_split, "all")
    assert len(rows) == 20
    assert warning is None


def test_a_damaged_split_is_refused(catalog: Catalog, without_split: Checkpoint) -> None:
    (without_split.folder / SPLIT_FILE).write_text("image_id,part\ndrawn000001,exam\n")
    with pytest.raises(DataError, match="exam"):
        choose_rows(catalog, without_split, "test")


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
    grades, answers = predictions["grade"], predictions[PROBABILITIES]
    figures = compute_metrics(grades, answers, threshold=0.35)
    patients = catalog.table["patient"].tolist()
    assert evaluation.metrics == add_intervals(figures, grades, answers, patients)
    assert evaluation.metrics["n"] == 20
    assert evaluation.metrics["referable"]["threshold"] == 0.35


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
