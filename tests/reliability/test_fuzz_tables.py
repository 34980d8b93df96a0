"""Whatever stands in a table or JSON file, its reader gives a value or an InputError."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retina.datasets.catalog import read_folder
from retina.datasets.splits import read_split, split
from retina.errors import InputError
from retina.evaluation.predictions import read_predictions
from retina.inference.verdicts import read_log, verdicts_csv
from retina.inference.worklist import failed_row, in_order, read_journal
from retina.inference.worklist import worklist_csv as worklist_csv
from retina.models.checkpoint_folder import (
    describe_checkpoints,
    read_config,
    read_evaluations,
    read_metrics,
)
from retina.reporting.runs import read_history
from tests.reliability.fuzzing import FEW_AND_MANY, fuzz, json_files, table_files

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints" / "resnet18-scratch"
NAMES = [f"{number}_{eye}" for number in range(1, 4) for eye in ("left", "right")]


def value_or_sentence(read: Callable[[], Any]) -> None:
    """An error of any other kind fails the test."""
    try:
        read()
    except InputError as error:
        sentence = str(error)
    else:
        return
    assert sentence


def labels(columns: str, row: str = "{name},{grade}") -> str:
    rows = [row.format(name=name, grade=place % 5) for place, name in enumerate(NAMES)]
    return "\n".join([columns, *rows] if columns else rows)


TABLES = {
    "trainLabels.csv": labels("image,level"),
    "train.csv": labels("id_code,diagnosis"),
    "idrid.csv": labels("Image name,Retinopathy grade"),
    "plain.csv": labels("patient,eye,image_id,label", "p,left,{name},{grade}"),
    "messidor.csv": labels(
        "image_id,adjudicated_dr_grade,adjudicated_gradable", "{name},{grade},1"
    ),
    "train.txt": labels("", "{name}.jpg {grade}"),
    "train_label.csv": labels("", "{grade}"),
}


@FEW_AND_MANY
@pytest.mark.parametrize("file", TABLES)
def test_a_folder_of_labels(tmp_path: Path, file: str, examples: int) -> None:
    valid = TABLES[file]
    for name in NAMES:
        (tmp_path / f"{name}.jpg").touch()
    if file == "train_label.csv":
        for part in ("train", "test"):
            (tmp_path / f"{part}_img.csv").write_text("\n".join(NAMES))
        (tmp_path / "test_label.csv").write_text(valid)

    def check(data: bytes) -> None:
        (tmp_path / file).write_bytes(data)

        def read() -> None:
            catalog = read_folder(tmp_path)
            assert catalog.table["grade"].isin(range(5)).all()
            assert catalog.table["image_id"].is_unique
            split(catalog.table, 0, catalog.given_parts)

        value_or_sentence(read)

    fuzz(table_files(valid), check, examples)


@FEW_AND_MANY
def test_split(tmp_path: Path, examples: int) -> None:
    valid = labels("image_id,part", "{name},train")
    of_several = labels("image_id,part,source", "{name},test,odir")

    def check(data: bytes) -> None:
        (tmp_path / "split.csv").write_bytes(data)
        value_or_sentence(lambda: read_split(tmp_path / "split.csv"))

    fuzz(table_files(valid, of_several), check, examples)


@FEW_AND_MANY
def test_predictions(tmp_path: Path, examples: int) -> None:
    columns = "image_id,grade,predicted,p0,p1,p2,p3,p4"
    valid = labels(columns, "{name},{grade},0,0.6,0.1,0.1,0.1,0.1")
    of_several = labels(f"{columns},source", "{name},{grade},0,0.6,0.1,0.1,0.1,0.1,odir")

    def check(data: bytes) -> None:
        (tmp_path / "predictions.csv").write_bytes(data)
        value_or_sentence(lambda: read_predictions(tmp_path / "predictions.csv", 1.5))

    fuzz(table_files(valid, of_several), check, examples)


@FEW_AND_MANY
def test_history(tmp_path: Path, examples: int) -> None:
    valid = "\n".join((SHIPPED / "history.csv").read_text().splitlines()[:4])

    def check(data: bytes) -> None:
        (tmp_path / "history.csv").write_bytes(data)
        value_or_sentence(lambda: read_history(tmp_path / "history.csv"))

    fuzz(table_files(valid), check, examples)


@FEW_AND_MANY
@pytest.mark.parametrize("file", ["config.json", "metrics.json", "evaluations/idrid_camera.json"])
def test_what_a_checkpoint_says(tmp_path: Path, file: str, examples: int) -> None:
    folder = tmp_path / "model"
    (folder / "evaluations").mkdir(parents=True)
    for name in ("config.json", "metrics.json"):
        (folder / name).write_bytes((SHIPPED / name).read_bytes())

    def check(data: bytes) -> None:
        (folder / file).write_bytes(data)
        for read in (read_config, read_metrics, read_evaluations):
            value_or_sentence(lambda read=read: read(folder))  # type: ignore[misc]
        json.dumps(describe_checkpoints(tmp_path), allow_nan=False)

    fuzz(json_files(json.loads((SHIPPED / file).read_bytes())), check, examples)


def row() -> dict[str, Any]:
    graded = {"grade": 2, "p0": 0.2, "p2": 0.8, "urgency": "referable", "quality": "good"}
    return failed_row("1_left.jpg", "", "small", "ab") | graded


@FEW_AND_MANY
def test_the_journal_of_a_worklist(tmp_path: Path, examples: int) -> None:
    line = {"stamp": "12-34", "row": row()}

    def check(data: bytes) -> None:
        (tmp_path / "journal").write_bytes(data + b"\n" + json.dumps(line).encode())
        records = read_journal(tmp_path / "journal")
        assert line["stamp"] in [stamp for stamp, _ in records]
        worklist_csv(in_order(row for _, row in records))

    fuzz(json_files(line), check, examples)


ENTRY = {
    "time": "2026-11-26T08:00:00.000+00:00",
    "kind": "verdict",
    "image_sha256": "ab" * 32,
    "model": "small",
    "model_sha256": "cd" * 32,
    "result": {
        **{"grade": 2, "label": "Moderate", "probabilities": [0.1, 0.1, 0.6, 0.1, 0.1]},
        **{"confidence": 0.6, "referable": True, "referable_probability": 0.8},
        **{"sight_threatening_probability": 0.2, "quality": "good"},
    },
    "reader": "ada",
    "verdict": {"agreed": False, "grade": 3, "note": "Venous beading."},
}


@FEW_AND_MANY
@pytest.mark.parametrize("form", ["log", "table"])
def test_the_audit_log(tmp_path: Path, form: str, examples: int) -> None:
    file = tmp_path / "audit"
    file.write_text(json.dumps(ENTRY))
    table = verdicts_csv(read_log(file).entries)

    def check(data: bytes) -> None:
        file.write_bytes(data)
        value_or_sentence(lambda: verdicts_csv(read_log(file).entries))

    fuzz(json_files(ENTRY) if form == "log" else table_files(table), check, examples)
