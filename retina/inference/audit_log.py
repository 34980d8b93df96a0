"""The audit log: a line for each assessment and for each verdict of a clinician.

JSON lines, appended. A line names its photograph by the SHA-256 of its bytes, never otherwise.
"""

import json
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from retina.assessment import Assessment
from retina.errors import AuditError, SettingsError
from retina.files import lock
from retina.scale import NUM_GRADES

UNGRADABLE_VERDICT = "ungradable"

NOTE_LENGTH = 500
"""Characters that a note may have."""

_RESULT = (
    *("grade", "label", "probabilities", "confidence", "referable", "referable_probability"),
    "sight_threatening_probability",
)
_BEGINS = b'{"time": "'


class AuditLog:
    """A file that gets the lines; several threads and processes may write it at once.

    Each line is written at the end of the file, under a lock, and flushed to the disk before the
    call returns. What a kill or a full disk cut off stays a line of its own. The file may be moved
    away meanwhile: it is then begun anew.

    Args:
        file: Made, readable by its owner only, if it is not there.

    Attributes:
        file: The file that lines are appended to.

    Raises:
        SettingsError: the file cannot be written, or is something else than such a log.

    Example:
        >>> log = AuditLog(Path("audit.jsonl"))             # doctest: +SKIP
        >>> log.assessed(assessment)                        # doctest: +SKIP
        >>> log.judged(assessment, 3, "Venous beading.")    # doctest: +SKIP
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = Lock()
        try:
            with self._opened() as descriptor:
                regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
                begins = os.read(descriptor, len(_BEGINS)) if regular else b""
        except OSError as error:
            raise SettingsError(
                f"--audit-log {file} cannot be written ({error.strerror}): name a file, new or "
                "begun by this page, in a folder that exists"
            ) from None
        if not regular or not _BEGINS.startswith(begins.partition(b"\n")[0]):
            raise SettingsError(f"--audit-log {file} is not an audit log: name a new file")

    def assessed(self, assessment: Assessment, reader: str | None = None) -> None:
        """Record an assessment.

        Args:
            assessment: That was shown.
            reader: Who was logged in; None where the page has no login.

        Raises:
            AuditError: the file cannot be written.
        """
        self._append(_record("assessment", assessment.to_json(), reader))

    def listed(self, row: Mapping[str, Any], reader: str | None = None) -> None:
        """Record the assessment behind a row of a worklist; one of an unreadable file has none.

        Args:
            row: As ``retina.inference.worklist`` makes it.
            reader: As for ``assessed``.

        Raises:
            AuditError: the file cannot be written.
        """
        if row["image_sha256"] is None:
            return
        graded = row["grade"] is not None
        told = {
            **row,
            "probabilities": [row[f"p{grade}"] for grade in range(NUM_GRADES)] if graded else None,
            "quality": {"verdict": row["quality"]},
            "image": {"sha256": row["image_sha256"]},
        }
        self._append(_record("assessment", told, reader))

    def judged(
        self,
        assessment: Assessment,
        grade: int | None,
        note: str = "",
        reader: str | None = None,
    ) -> None:
        """Record a clinician's verdict on an assessment.

        Args:
            assessment: That the clinician saw.
            grade: The clinician's, 0 to 4, or None for ungradable; who agrees gives
                ``assessment.grade``, which is None too where the gate refused the photograph.
            note: Up to ``NOTE_LENGTH`` characters; line breaks become spaces.
            reader: As for ``assessed``.

        Raises:
            AuditError: the grade or note cannot be, or the file cannot be written.
        """
        if grade is not None and grade not in range(NUM_GRADES):
            raise AuditError(
                f"a verdict is a grade from 0 to 4 or {UNGRADABLE_VERDICT}, not {grade!r}"
            )
        verdict = {
            "agreed": grade == assessment.grade,
            "grade": UNGRADABLE_VERDICT if grade is None else int(grade),
            "note": _note(note),
        }
        self._append(_record("verdict", assessment.to_json(), reader) | {"verdict": verdict})

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        try:
            with self._opened() as descriptor:
                if os.lseek(descriptor, 0, os.SEEK_END):
                    os.lseek(descriptor, -1, os.SEEK_END)
                    if os.read(descriptor, 1) != b"\n":
                        line = b"\n" + line
                while line:
                    line = line[os.write(descriptor, line) :]
                os.fsync(descriptor)
        except OSError as error:
            raise AuditError(
                f"the audit log cannot be written ({error.strerror}), so this was not recorded: "
                "tell whoever looks after this page"
            ) from None

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, to this writer alone."""
        with self._lock:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self.file, flags, 0o600)
            try:
                lock(descriptor, wait=True)
                yield descriptor
            finally:
                os.close(descriptor)


def _record(kind: str, told: Mapping[str, Any], reader: str | None) -> dict[str, Any]:
    """A line, without what may name a person: only what is listed here is kept."""
    record = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "kind": kind,
        "image_sha256": told["image"]["sha256"],
        "model": told["model"],
        "model_sha256": told["model_sha256"],
        "result": {name: told[name] for name in _RESULT} | {"quality": told["quality"]["verdict"]},
    }
    return record if reader is None else record | {"reader": reader}


def _note(text: str) -> str:
    note = " ".join(text.split())
    if len(note) > NOTE_LENGTH:
        raise AuditError(f"the note has {len(note)} characters: keep it to {NOTE_LENGTH}")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in note):
        raise AuditError("the note holds a control character: type it anew, as plain text")
    return note
