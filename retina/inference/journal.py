"""What was graded, a line a photograph as it is done, so that a kill costs no more than a batch."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retina.errors import SettingsError
from retina.files import lock
from retina.inference.sources import Source
from retina.inference.worklist import Row, is_row


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
