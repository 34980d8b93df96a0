"""The worklist: its rows, their order, and the journal that outlives a kill."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retina.assessment import Assessment
from retina.datasets.catalog import patient_and_eye
from retina.datasets.folder import without_ending
from retina.errors import SettingsError
from retina.files import csv_text, lock
from retina.inference.sources import Source
from retina.inference.warnings import CLOSE, close_call
from retina.scale import NUM_GRADES, SIGHT_THREATENING_FROM

Row = dict[str, Any]
"""A photograph's line, by ``WORKLIST_COLUMNS``; every value is JSON-ready."""

SIGHT_THREATENING, REFERABLE, UNSURE, UNGRADABLE, REST = URGENCIES = (
    "sight-threatening",
    "referable",
    "unsure",
    "ungradable",
    "rest",
)

WORKLIST_COLUMNS = (
    *("urgency", "image", "patient", "eye", "grade", "label", "confidence", "referable"),
    *("referable_probability", "sight_threatening_probability"),
    *(f"p{grade}" for grade in range(NUM_GRADES)),
    *("quality", "reasons", "warnings", "error", "model", "model_sha256", "image_sha256"),
    *("width", "height", "seconds"),
)


def urgency(assessment: Assessment, threshold: float) -> str:
    """The urgency of a photograph.

    Sight-threatening: grade 3 or above, or as likely as not. Referable: at the operating point.
    Unsure: below it, but close to it, or between two grades. Ungradable: refused by the gate.

    Args:
        assessment: Assessment of the photograph.
        threshold: The model's operating point.

    Returns:
        One of ``URGENCIES``.
    """
    if assessment.grade is None or assessment.probabilities is None:
        return UNGRADABLE
    threatening = assessment.sight_threatening_probability or 0.0
    if assessment.grade >= SIGHT_THREATENING_FROM or threatening >= 0.5:
        return SIGHT_THREATENING
    if assessment.referable:
        return REFERABLE
    near = threshold - (assessment.referable_probability or 0.0) < CLOSE
    return UNSURE if near or close_call(assessment.probabilities) else REST


def graded_row(name: str, assessment: Assessment, threshold: float) -> Row:
    """The row of a graded photograph.

    Patient and eye are the file's own, where it has them, else those that its name tells.

    Args:
        name: Its path in the folder or archive.
        assessment: Assessment of the photograph.
        threshold: The model's operating point.
    """
    probabilities = assessment.probabilities or (None,) * NUM_GRADES
    file = assessment.image
    said = {"patient": file.patient, "eye": file.eye}
    return _row(name) | {
        **{column: value for column, value in said.items() if value},
        "urgency": urgency(assessment, threshold),
        "grade": assessment.grade,
        "label": assessment.label,
        "confidence": assessment.confidence,
        "referable": assessment.referable,
        "referable_probability": assessment.referable_probability,
        "sight_threatening_probability": assessment.sight_threatening_probability,
        **{f"p{grade}": value for grade, value in enumerate(probabilities)},
        "quality": assessment.quality.verdict,
        "reasons": " ".join(assessment.quality.reasons),
        "warnings": " ".join(assessment.warnings),
        "model": assessment.model,
        "model_sha256": assessment.model_sha256,
        "image_sha256": file.sha256,
        "width": file.width,
        "height": file.height,
        "seconds": assessment.seconds,
    }


def failed_row(name: str, error: str, model: str, model_sha256: str) -> Row:
    """The row of a file that could not be read: as ungradable as a photograph that is too poor."""
    told = {"urgency": UNGRADABLE, "error": error, "model": model, "model_sha256": model_sha256}
    return _row(name) | told


def is_row(value: object) -> bool:
    """Whether a value, such as one that was read from a file, is a row of a worklist."""
    if not isinstance(value, dict) or tuple(value) != WORKLIST_COLUMNS:
        return False
    likelihoods = [value["sight_threatening_probability"], value["referable_probability"]]
    return (
        value["urgency"] in URGENCIES
        and all(isinstance(value[name], str) for name in ("image", "patient", "eye", "model"))
        and all(isinstance(each, float | int | None) for each in likelihoods)
    )


def in_order(rows: Iterable[Row]) -> list[Row]:
    """The most urgent first, the eyes of one patient together where the worse one stands."""
    worst: dict[str, tuple[int, float]] = {}
    rows = list(rows)
    for row in rows:
        rank = _rank(row)
        worst[row["patient"]] = min(worst.get(row["patient"], rank), rank)
    return sorted(rows, key=lambda row: (worst[row["patient"]], row["patient"], _rank(row)))


def urgencies(rows: Iterable[Row]) -> str:
    """How many photographs there are of each urgency, in words."""
    counts = Counter(row["urgency"] for row in rows)
    return ", ".join(f"{counts[urgency]} {urgency}" for urgency in URGENCIES)


def worklist_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The worklist as CSV, in which no cell can run as a formula in a spreadsheet."""
    return csv_text(WORKLIST_COLUMNS, rows)


def _row(name: str) -> Row:
    patient, eye = patient_and_eye(without_ending(name))
    folder = name.rpartition("/")[0]
    told = {"image": name, "patient": f"{folder}/{patient}" if eye and folder else patient}
    return dict.fromkeys(WORKLIST_COLUMNS) | told | {"eye": eye}


def _rank(row: Row) -> tuple[int, float]:
    likelihood = row["sight_threatening_probability"] or 0.0, row["referable_probability"] or 0.0
    return URGENCIES.index(row["urgency"]), -sum(likelihood)


def journal_of(worklist: Path) -> Path:
    """The journal that lies beside a worklist while it is not finished."""
    return worklist.with_name(f".{worklist.name}.unfinished")


def read_journal(journal: Path) -> list[tuple[str, Row]]:
    """The stamp and row of each photograph that was graded, in that order; none if no journal.

    A line that is damaged, as by a kill, or whose row has other columns than today's, is passed
    over.
    """
    try:
        lines = journal.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    records = [record for line in lines if (record := _record(line))]
    return [(record["stamp"], record["row"]) for record in records]


@contextmanager
def writing_journal(journal: Path) -> Iterator[Callable[[Source, Row], None]]:
    """Hold a journal alone, to read and to add to; gives what adds a photograph and its row.

    Raises:
        SettingsError: Another process holds it.
        OSError: It cannot be written.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a+b") as file:
        if not lock(file.fileno(), wait=False):
            raise SettingsError(
                f"another triage or watch is writing the worklist of {journal.name}: name another "
                "--output, or end that one"
            )

        def add(source: Source, row: Row) -> None:
            line = json.dumps({"stamp": source.stamp, "row": row}, allow_nan=False)
            file.write(f"{line}\n".encode())
            file.flush()

        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                file.write(b"\n")  # after the line that a kill cut off
        yield add


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        whole = is_row(record["row"]) and isinstance(record["stamp"], str)
        return record if whole else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
