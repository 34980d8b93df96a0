"""Verdicts of clinicians on predictions: reading the audit log, and its CSV."""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retina.errors import AuditError
from retina.files import MAX_LOG, csv_text, refuse_large
from retina.inference.audit_log import UNGRADABLE_VERDICT
from retina.scale import NUM_GRADES

_PROBABILITIES = tuple(f"p{grade}" for grade in range(NUM_GRADES))
VERDICT_COLUMNS = (
    *("image_id", "grade", "predicted", *_PROBABILITIES, "verdict", "note", "reader"),
    *("referable", "referable_probability", "sight_threatening_probability"),
    *("quality", "time", "model", "model_sha256"),
)


@dataclass(frozen=True)
class ClinicianVerdict:
    """A clinician's verdict on a photograph: 0 to 4, or None for ungradable, and a note."""

    grade: int | None
    note: str = ""


@dataclass(frozen=True)
class LogEntry:
    """A line of the log.

    Attributes:
        time: UTC, ISO 8601.
        image_sha256: SHA-256 of the photograph's file.
        model: The checkpoint's name.
        model_sha256: SHA-256 of the model's weights.
        grade: The model's, 0 to 4; None where the quality gate refused the photograph.
        probabilities: Five, which add up to 1; None likewise, as are the next three.
        referable: At the operating point.
        referable_probability: Of grade 2 or above.
        sight_threatening_probability: Of grade 3 or above.
        quality: The gate's verdict.
        verdict: None where the line is an assessment.
        reader: Who was logged in; None where the page has no login.

    Raises:
        ValueError: no page writes such a line.
    """

    time: str
    image_sha256: str
    model: str
    model_sha256: str
    grade: int | None
    probabilities: tuple[float, ...] | None
    referable: bool | None
    referable_probability: float | None
    sight_threatening_probability: float | None
    quality: str
    verdict: ClinicianVerdict | None = None
    reader: str | None = None

    def __post_init__(self) -> None:
        names = (self.time, self.image_sha256, self.model, self.model_sha256, self.quality)
        graded = (
            self.probabilities is not None
            and len(self.probabilities) == NUM_GRADES
            and min(self.probabilities) >= 0
            and abs(sum(self.probabilities) - 1) < 1e-6
        )
        given = None if self.verdict is None else self.verdict.grade
        if not (
            all(isinstance(name, str) for name in names)
            and (graded if self.grade is not None else self.probabilities is None)
            and all(grade is None or grade in range(NUM_GRADES) for grade in (self.grade, given))
        ):
            raise ValueError("no page writes such a line")

    @property
    def agreed(self) -> bool:
        """Whether there is a verdict, and it is the model's own (ungradable: the gate's)."""
        return self.verdict is not None and self.verdict.grade == self.grade


@dataclass(frozen=True)
class Log:
    """The lines of a log, in their order, and the numbers of those that could not be read."""

    entries: tuple[LogEntry, ...]
    unreadable: tuple[int, ...] = ()


def read_log(file: Path) -> Log:
    """Read a log, or what ``verdicts_csv`` made of one; lines that are no page's are passed over.

    Raises:
        AuditError: the file cannot be read, or has no line that can.
    """
    refuse_large(file, MAX_LOG, AuditError)
    try:
        content = file.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise AuditError(
            f"{file} cannot be read ({error.strerror}): name the file that the page was given as "
            "--audit-log, or the CSV that was downloaded from it"
        ) from None
    lines = _json_lines if content.startswith(b"{") else _csv_rows
    entries, unreadable = [], []
    for number, line in lines(content):
        try:
            entries.append(line())
        except (ValueError, TypeError, KeyError, RecursionError):
            unreadable.append(number)
    if unreadable and not entries:
        raise AuditError(
            f"{file} is no audit log: name the file that the page was given as --audit-log, or "
            "the CSV that was downloaded from it"
        )
    return Log(tuple(entries), tuple(unreadable))


def latest(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """What counts for each photograph and each model's weights.

    Of several verdicts the last, whoever gave it; where there is none, the last assessment.
    """
    found: dict[tuple[str, str], LogEntry] = {}
    for entry in entries:
        key = entry.image_sha256, entry.model_sha256
        before = found.get(key)
        if before is None or before.verdict is None or entry.verdict is not None:
            found[key] = entry
    return list(found.values())


def verdicts_csv(entries: Iterable[LogEntry]) -> str:
    """What counts of a log as CSV: a row a photograph and model, in which no formula can run.

    ``image_id`` is the photograph's SHA-256, ``grade`` the clinician's, empty where there is none;
    ``verdict`` is ``agreed``, ``corrected``, ``ungradable`` or empty; ``predicted`` and ``p0`` to
    ``p4`` are the model's answer.
    """
    return csv_text(VERDICT_COLUMNS, (_row(entry) for entry in latest(entries)))


def _json_lines(content: bytes) -> Iterator[tuple[int, Callable[[], LogEntry]]]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, partial(_of_json, line)


def _csv_rows(content: bytes) -> Iterator[tuple[int, Callable[[], LogEntry]]]:
    rows = csv.DictReader(io.StringIO(content.decode(errors="replace"), newline=""))
    try:
        if content and not set(VERDICT_COLUMNS) <= set(rows.fieldnames or ()):
            yield 1, partial(_of_row, {})
            return
        for row in rows:
            yield rows.line_num, partial(_of_row, row)
    except csv.Error:
        yield rows.line_num, partial(_of_row, {})


def _of_json(line: bytes) -> LogEntry:
    record = json.loads(line)
    result = record["result"]
    verdict = None
    if record["kind"] == "verdict":
        told = record["verdict"]
        verdict = ClinicianVerdict(
            None if told["grade"] == UNGRADABLE_VERDICT else told["grade"], told["note"]
        )
    values = result["probabilities"]
    return LogEntry(
        time=record["time"],
        image_sha256=record["image_sha256"],
        model=record["model"],
        model_sha256=record["model_sha256"],
        grade=result["grade"],
        probabilities=None if values is None else tuple(values),
        referable=result["referable"],
        referable_probability=result["referable_probability"],
        sight_threatening_probability=result["sight_threatening_probability"],
        quality=result["quality"],
        verdict=verdict,
        reader=record.get("reader"),
    )


def _row(entry: LogEntry) -> dict[str, Any]:
    verdict = entry.verdict
    told = ""
    if verdict is not None:
        told = "agreed" if entry.agreed else "corrected"
        told = UNGRADABLE_VERDICT if verdict.grade is None else told
    values = entry.probabilities or (None,) * NUM_GRADES
    return {
        "image_id": entry.image_sha256,
        "grade": verdict and verdict.grade,
        "predicted": entry.grade,
        **dict(zip(_PROBABILITIES, values, strict=True)),
        "verdict": told,
        "note": verdict and verdict.note,
        "reader": entry.reader,
        "referable": entry.referable,
        "referable_probability": entry.referable_probability,
        "sight_threatening_probability": entry.sight_threatening_probability,
        "quality": entry.quality,
        "time": entry.time,
        "model": entry.model,
        "model_sha256": entry.model_sha256,
    }


def _of_row(row: Mapping[str, str]) -> LogEntry:
    grade = _whole(row["grade"])
    judged = grade is not None or row["verdict"] == UNGRADABLE_VERDICT
    predicted = _whole(row["predicted"])
    values = tuple(float(row[name]) for name in _PROBABILITIES) if predicted is not None else None
    return LogEntry(
        time=row["time"],
        image_sha256=row["image_id"],
        model=row["model"],
        model_sha256=row["model_sha256"],
        grade=predicted,
        probabilities=values,
        referable=row["referable"].lower() == "true" if row["referable"] else None,
        referable_probability=_number(row["referable_probability"]),
        sight_threatening_probability=_number(row["sight_threatening_probability"]),
        quality=row["quality"],
        verdict=ClinicianVerdict(grade, row["note"]) if judged else None,
        reader=row["reader"] or None,
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _whole(cell: str) -> int | None:
    """A grade, also as a spreadsheet or pandas may have written it: 2.0."""
    value = _number(cell)
    if value is not None and not value.is_integer():
        raise ValueError(f"{cell} is no grade")
    return None if value is None else int(value)
